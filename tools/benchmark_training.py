#!/usr/bin/env python3
"""Times training steps side by side, in turns, in one run: ours, PyTorch's, the original's way, the peak.

    python tools/benchmark_training.py                    all, full size, batch 32 and 128
    python tools/benchmark_training.py --batch 32 --rounds 3 --json out.json

Every contender is a process of its own that waits until it is told to run some steps; the driver goes
round and round, so that a change of the machine's speed meets all of them. Ratios are medians of the
ratios within a round. PyTorch is optional (`pip install torch`).

Cost: about 12 minutes on two cores.

Contenders
    ours          the `ssgan` step of the training loop, full size, many steps a call
    single        the same step without the loop around it, one a call
    products      the step's matrix products and convolutions, as bare products of the same sizes: what
                  a step would take in which nothing else cost anything
    improved-gan  the `improved-gan` step of the training loop, batch 100
    pytorch       the same `ssgan` step, written below, channels-last, compiled or eager (the better)
    original      the way of the TF1 original: one call each for the discriminator's update, the
                  generator's, both losses and the accuracy, Eigen's convolutions (oneDNN off, as then)
    peak          float32 matrix products of 4096 x 4096, TensorFlow with oneDNN
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PEAK_SIDE = 4096
CALL_STEPS = 4


def macs(image: int = 64, width: float = 1.0, units: int = 11, latent: int = 100) -> dict[str, list[float]]:
    """Multiply-accumulates of one image's forward pass through each layer of `ssgan`'s networks."""

    def filters(full: int) -> int:
        return max(4, round(full * width))

    from ssgan_tf.networks.dcgan_pair import strides_for

    first, second, third = strides_for(image)
    sides = [image // first, image // (first * second), 4, 2]
    channels = [1, filters(128), filters(256), filters(512), filters(1024)]
    kernels = [16, 16, 16, 9]
    discriminator = [sides[i] ** 2 * kernels[i] * channels[i] * channels[i + 1] for i in range(4)] + [
        channels[4] * units
    ]
    # a transposed convolution costs what the convolution it mirrors costs
    up = [latent, filters(512), filters(256), filters(128), 1]
    inputs = [1, 4, 4 * third, 4 * third * second]
    generator = [inputs[i] ** 2 * 16 * up[i] * up[i + 1] for i in range(4)]
    return {"discriminator": discriminator, "generator": generator}


def ssgan_flop(**size: Any) -> float:
    """Floating-point operations of one image and simultaneous step, from the layers' sizes alone.

    Discriminator: forward on real and on generated images, weight and input gradients of its own loss on
    both (no input gradient below the first layer), and the input gradient of the generator's loss.
    Generator: forward, weight and input gradients (none below its first layer).
    """
    layers = macs(**size)
    d, g = sum(layers["discriminator"]), sum(layers["generator"])
    total = 7 * d - 2 * layers["discriminator"][0] + 3 * g - layers["generator"][0]
    return 2.0 * total


def improved_gan_flop() -> float:
    """Floating-point operations of one `improved-gan` step at batch 100, from the layers' sizes alone.

    Discriminator: 3 x 100 images forward, weight and input gradients (no input gradient below the first
    layer). Generator: one forward for the discriminator's step; then forward, both gradients, the
    discriminator's features forward on 2 x 100 images and its input gradient on 100.
    """
    d = [784 * 1000, 1000 * 500, 500 * 250, 250 * 250, 250 * 250, 250 * 10]
    g = [100 * 500, 500 * 500, 500 * 784]
    features = sum(d[:-1])
    total = 300 * (3 * sum(d) - d[0]) + 100 * sum(g) + 100 * (3 * sum(g) - g[0]) + 300 * features
    return 2.0 * total


# Contenders: each returns a function that runs n steps and returns the seconds it took ---------------


def _images(count: int = 2048):
    import numpy as np

    numbers = np.random.default_rng(0)
    labels = numbers.integers(0, 10, count).astype(np.int32)
    labels[numbers.random(count) > 0.2] = -1
    return numbers.integers(0, 255, (count, 28, 28, 1), dtype=np.uint8), labels


def make_loop(recipe_name: str, batch: int | None, folder: str, **settings: Any):
    """Builds a training loop over random images."""
    from ssgan_tf.recipes import load_recipe
    from ssgan_tf.recipes.recipe import DataSpec
    from ssgan_tf.training.batches import MemoryBatches
    from ssgan_tf.training.loop import Loop, LoopOptions
    from ssgan_tf.training.strategy import make_strategy

    recipe = load_recipe(recipe_name)
    chosen = {"batch_size": batch, **settings} if batch else settings
    system = recipe.build(recipe.configure("full", chosen), DataSpec((28, 28, 1), 10))
    batches = MemoryBatches(*_images(), system.streams(), 0)
    options = LoopOptions(steps=10**9)
    return Loop(system, batches, make_strategy("default"), options, seed=0, folder=Path(folder))


def ours(recipe: str, batch: int | None, folder: str, **settings: Any) -> Callable[[int], float]:
    """Our loop, `n` steps in one call."""
    import tensorflow as tf

    loop = make_loop(recipe, batch, folder, **settings)
    done = 0

    def run(count: int) -> float:
        nonlocal done
        start = time.perf_counter()
        history, _ = loop._run_steps(tf.constant(done, tf.int64), tf.constant(count, tf.int64), None)
        history.numpy()
        done += count
        return time.perf_counter() - start

    return run


def single(batch: int, folder: str) -> Callable[[int], float]:
    """Our step without the loop: one step and the averages' update a call."""
    import tensorflow as tf

    from ssgan_tf.training.averages import update_averages

    loop = make_loop("ssgan", batch, folder)

    @tf.function
    def one(step: tf.Tensor) -> tf.Tensor:
        values = loop._replica_step(step, None)
        update_averages(loop.strategy, loop.averages, loop.networks, tf.constant(0.001))
        return values

    done = 0

    def run(count: int) -> float:
        nonlocal done
        start = time.perf_counter()
        for _ in range(count):
            one(tf.constant(done, tf.int64)).numpy()
            done += 1
        return time.perf_counter() - start

    return run


def ssgan_products(batch: int) -> list[tuple[int, int, int, int, int, int]]:
    """The products of one `ssgan` step: rows, depth, columns, and how many forward, to input, to weights."""
    d = [(1024, 16, 128), (256, 2048, 256), (16, 4096, 512), (4, 4608, 1024)]
    products = [(batch * n, k, m, 2, 1 if i == 0 else 3, 2) for i, (n, k, m) in enumerate(d)]
    # a transposed convolution's forward pass is the input gradient of the convolution it mirrors
    g = [(1, 8192, 100), (16, 4096, 512), (256, 2048, 256), (1024, 16, 128)]
    return products + [(batch * n, k, m, 0 if i == 0 else 1, 1, 1) for i, (n, k, m) in enumerate(g)]


def improved_gan_products() -> list[tuple[int, int, int, int, int, int]]:
    """The same of one `improved-gan` step."""
    d = [(784, 1000), (1000, 500), (500, 250), (250, 250), (250, 250), (250, 10)]
    g = [(100, 500), (500, 500), (500, 784)]
    both = [(300, k, m, 1, int(i > 0), 1) for i, (k, m) in enumerate(d)]
    both += [(100, k, m, 2, 1, 0) for k, m in d[:-1]]
    return both + [(100, k, m, 2, int(i > 0), 1) for i, (k, m) in enumerate(g)]


def products(sizes: list[tuple[int, int, int, int, int, int]]) -> Callable[[int], float]:
    """Runs bare products one after the other; each of its own function, so that all are timed alike."""
    import tensorflow as tf

    def normal(*shape: int) -> tf.Tensor:
        return tf.random.stateless_normal(shape, [0, 0])

    calls: list[tuple[int, Any, tuple[tf.Tensor, tf.Tensor]]] = []
    for rows, depth, columns, forward, to_input, to_weights in sizes:
        x, w, y = normal(rows, depth), normal(depth, columns), normal(rows, columns)
        for count, flags, pair in (
            (forward, {}, (x, w)),
            (to_input, {"transpose_b": True}, (y, w)),
            (to_weights, {"transpose_a": True}, (x, y)),
        ):
            function = tf.function(functools.partial(tf.matmul, **flags))
            calls.append((count, function.get_concrete_function(*pair), pair))

    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            for times, call, pair in calls:
                for _ in range(times):
                    call(*pair)
        return time.perf_counter() - start

    return run


def data_only(batch: int, folder: str) -> Callable[[int], float]:
    """What our step spends on getting its images: the gather alone."""
    import tensorflow as tf

    from ssgan_tf.training.step_context import StepContext

    loop = make_loop("ssgan", batch, folder, width=0.03125)

    @tf.function
    def gather(count: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0, tf.int64)
        for i in tf.range(count):
            batches = loop.batches.local(StepContext(0, i), None)
            for one in batches.values():
                total += tf.cast(tf.reduce_max(one.image), tf.int64) + tf.cast(one.label[0], tf.int64)
        return total

    def run(count: int) -> float:
        start = time.perf_counter()
        gather(tf.constant(count, tf.int64)).numpy()
        return time.perf_counter() - start

    return run


def original(batch: int, folder: str) -> Callable[[int], float]:
    """One call each: update D, update G, the two losses, the accuracy; the batch fed from NumPy."""
    import tensorflow as tf

    from ssgan_tf.recipes.recipe import Batch
    from ssgan_tf.training.step_context import StepContext

    loop = make_loop("ssgan", batch, folder, update="alternating")
    images, labels = _images()

    def part(which: int, train: bool):
        @tf.function
        def call(image: tf.Tensor, label: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            context = StepContext(0, step)
            with context.entered(), tf.GradientTape() as tape:
                losses = loop.updates[which](loop.networks, {"images": Batch(image, label)}, context)
            name, loss = next(iter(losses.minimise.items()))
            if train:
                variables = loop.networks[name].trainable_variables
                loop.optimizers[name].apply(tape.gradient(loss, [v.value for v in variables]), variables)
            return loss

        return call

    @tf.function
    def accuracy(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        logits = loop.system.class_logits(loop.networks, image)
        return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1, tf.int32), label), tf.float32))

    calls = [part(0, True), part(1, True), part(0, False), part(1, False)]
    done = 0

    def run(count: int) -> float:
        nonlocal done
        start = time.perf_counter()
        for _ in range(count):
            rows = (done * batch) % (len(images) - batch)
            fed = tf.constant(images[rows : rows + batch]), tf.constant(labels[rows : rows + batch])
            for call in calls:
                call(*fed, tf.constant(done, tf.int64)).numpy()
            accuracy(*fed).numpy()
            done += 1
        return time.perf_counter() - start

    return run


def peak() -> Callable[[int], float]:
    """Matrix products of PEAK_SIDE; n products a call."""
    import tensorflow as tf

    matrix = tf.random.stateless_normal([PEAK_SIDE, PEAK_SIDE], [0, 0])

    @tf.function
    def product(x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, matrix)

    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            product(matrix)[0, 0].numpy()
        return time.perf_counter() - start

    return run


def pytorch(batch: int, compiled: bool) -> Callable[[int], float]:
    """The simultaneous `ssgan` step in PyTorch on the CPU, channels-last."""
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)

    class SamePad(nn.Module):
        def __init__(self, kernel: int, stride: int) -> None:
            super().__init__()
            total = kernel - stride
            self.pad = (total // 2, total - total // 2) * 2

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.pad(x, self.pad) if any(self.pad) else x

    def lrelu() -> nn.Module:
        return nn.LeakyReLU(0.2)

    class Discriminator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(1, 128, 4, 2, 1), lrelu(), nn.Dropout(0.3),
                nn.Conv2d(128, 256, 4, 2, 1), lrelu(), nn.BatchNorm2d(256), nn.Dropout(0.3),
                SamePad(4, 4), nn.Conv2d(256, 512, 4, 4), lrelu(), nn.BatchNorm2d(512), nn.Dropout(0.3),
                nn.Conv2d(512, 1024, 3), lrelu(),
            )  # fmt: skip
            self.head = nn.Linear(1024, 11)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.body(x).mean((2, 3))
            return self.head(features), features

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.ConvTranspose2d(100, 512, 4, 1), nn.ReLU(), nn.BatchNorm2d(512), nn.Dropout(0.3),
                nn.ConvTranspose2d(512, 256, 4, 4), nn.ReLU(), nn.BatchNorm2d(256), nn.Dropout(0.3),
                nn.ConvTranspose2d(256, 128, 4, 2, 1), nn.ReLU(), nn.BatchNorm2d(128), nn.Dropout(0.3),
                nn.ConvTranspose2d(128, 1, 4, 2, 1), nn.Tanh(),
            )  # fmt: skip

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.body(z)

    form = {"memory_format": torch.channels_last}
    discriminator, generator = Discriminator().to(**form), Generator().to(**form)
    optimizers = [
        torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (discriminator, generator)
    ]
    array, labels = _images()
    images = torch.from_numpy(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))
    targets = torch.from_numpy(labels.astype(np.int64))

    def losses(image: torch.Tensor, label: torch.Tensor, z: torch.Tensor):
        scaled = F.interpolate(image.float(), (64, 64), mode="bilinear", antialias=True) / 127.5 - 1.0
        fake_images = generator(z)
        real, real_features = discriminator(scaled.to(**form))
        fake, fake_features = discriminator(fake_images)
        mask = label >= 0
        supervised = (F.cross_entropy(real, label.clamp(min=0) + 1, reduction="none") * mask).sum()
        d_loss = supervised / mask.sum().clamp(min=1) + F.softplus(real[:, 0]).mean()
        d_loss = d_loss + F.softplus(-fake[:, 0]).mean()
        matching = (real_features.mean(0).detach() - fake_features.mean(0)).square().mean()
        return d_loss, F.softplus(fake[:, 0]).mean() + matching

    forward = torch.compile(losses) if compiled else losses
    d_parameters, g_parameters = list(discriminator.parameters()), list(generator.parameters())
    done = 0

    def step() -> None:
        nonlocal done
        rows = torch.randint(0, len(images), (batch,))
        z = torch.randn(batch, 100, 1, 1)
        d_loss, g_loss = forward(images[rows], targets[rows], z)
        # both gradients from one forward pass, each for its own network
        d_gradients = torch.autograd.grad(d_loss, d_parameters, retain_graph=True)
        g_gradients = torch.autograd.grad(g_loss, g_parameters)
        for parameters, gradients in ((d_parameters, d_gradients), (g_parameters, g_gradients)):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
        for optimizer in optimizers:
            optimizer.step()
        done += 1

    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            step()
        return time.perf_counter() - start

    return run


# The worker and the driver ----------------------------------------------------------------------------


def worker(name: str, batch: int, folder: str) -> None:
    """Serves one contender: reads step counts from standard input, writes seconds and peak memory."""
    makers: dict[str, Callable[[], Callable[[int], float]]] = {
        "ours": lambda: ours("ssgan", batch, folder),
        "improved-gan": lambda: ours("improved-gan", None, folder),
        "single": lambda: single(batch, folder),
        "products": lambda: products(ssgan_products(batch)),
        "improved-gan-products": lambda: products(improved_gan_products()),
        "data": lambda: data_only(batch, folder),
        "original": lambda: original(batch, folder),
        "pytorch-eager": lambda: pytorch(batch, False),
        "pytorch-compiled": lambda: pytorch(batch, True),
        "peak": peak,
    }
    run = makers[name]()
    run(2)
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = run(int(line))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "memory_mb": memory}), flush=True)


class Contender:
    """A worker process."""

    def __init__(self, name: str, batch: int, steps: int, folder: Path) -> None:
        self.name, self.steps, self.times, self.memory = name, steps, [], 0.0
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment["TF_ENABLE_ONEDNN_OPTS"] = "0" if name == "original" else "1"
        command = [sys.executable, __file__, "--worker", name, "--batch", str(batch), "--folder", str(folder)]
        with (folder / f"{name}-{batch}.log").open("w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{name} did not start; see {folder / f'{name}-{batch}.log'}")

    def turn(self) -> None:
        """Runs one round and keeps its seconds per step."""
        self.process.stdin.write(f"{self.steps}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.times.append(answer["seconds"] / self.steps)
        self.memory = answer["memory_mb"]

    def stop(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def ratio(slow: Contender, fast: Contender) -> float:
    """Median over rounds of slow's seconds divided by fast's."""
    return statistics.median(a / b for a, b in zip(slow.times, fast.times, strict=True))


def measure(batch: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Measures all contenders at one batch size."""
    steps = max(1, 256 // batch)
    wanted = [("peak", 2), ("ours", steps), ("single", steps), ("products", steps)]
    wanted += [("original", 1), ("data", 500)]
    wanted += [("pytorch-eager", steps), ("pytorch-compiled", steps)]
    if batch == 32:
        wanted += [("improved-gan", 20), ("improved-gan-products", 20)]
    contenders: dict[str, Contender] = {}
    for name, count in wanted:
        try:
            contenders[name] = Contender(name, batch, count, folder)
        except RuntimeError as error:
            print(f"  left out: {error}", file=sys.stderr)
    for number in range(rounds):
        for contender in contenders.values():
            contender.turn()
        print(f"  batch {batch}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    for contender in contenders.values():
        contender.stop()
    return figures(batch, contenders)


def figures(batch: int, contenders: dict[str, Contender]) -> dict[str, Any]:
    """Turns the rounds into rates and ratios."""
    top = contenders["peak"]
    peak_flop = 2.0 * PEAK_SIDE**3
    flop = {"ours": ssgan_flop() * batch, "improved-gan": improved_gan_flop()}
    for name in ("single", "products", "pytorch-eager", "pytorch-compiled"):
        flop[name] = flop["ours"]
    flop["improved-gan-products"] = flop["improved-gan"]
    result: dict[str, Any] = {"batch": batch, "peak_gflops": peak_flop / statistics.median(top.times) / 1e9}
    for name, contender in contenders.items():
        median = statistics.median(contender.times)
        row: dict[str, Any] = {"seconds_per_step": median, "memory_mb": contender.memory}
        if name in flop:
            row["gflops"] = flop[name] / median / 1e9
            row["share_of_peak"] = statistics.median(
                (flop[name] / mine) / (peak_flop / best)
                for mine, best in zip(contender.times, top.times, strict=True)
            )
        if name not in ("peak", "data"):
            row["images_per_second"] = (100 if name.startswith("improved-gan") else batch) / median
        result[name] = row
    mine = contenders["ours"]
    torches = [c for name, c in contenders.items() if name.startswith("pytorch")]
    if torches:
        best = min(torches, key=lambda c: statistics.median(c.times))
        result["ratio_to_pytorch"] = {"best": best.name, "ratio": ratio(best, mine)}
    result["ratio_to_original"] = ratio(contenders["original"], mine)
    result["loop_overhead"] = ratio(mine, contenders["single"]) - 1.0
    result["data_share"] = statistics.median(
        data / step for data, step in zip(contenders["data"].times, mine.times, strict=True)
    )
    return result


def show(results: list[dict[str, Any]]) -> None:
    """Prints the figures as a table."""
    for result in results:
        print(f"\nbatch {result['batch']}   (matrix-product peak {result['peak_gflops']:.0f} GFLOP/s)")
        for name, row in result.items():
            if isinstance(row, dict) and "seconds_per_step" in row and name not in ("peak", "data"):
                extra = (
                    f"{row['gflops']:6.0f} GFLOP/s {row['share_of_peak']:6.1%} of peak"
                    if "gflops" in row
                    else ""
                )
                print(
                    f"  {name:22}{row['images_per_second']:9.1f} images/s"
                    f"{row['seconds_per_step'] * 1e3:10.1f} ms/step {row['memory_mb']:7.0f} MB {extra}"
                )
        if "ratio_to_pytorch" in result:
            best = result["ratio_to_pytorch"]
            print(f"  ours against PyTorch's best ({best['best']}): {best['ratio']:.2f} times as fast")
        print(f"  ours against the original's way: {result['ratio_to_original']:.2f} times as fast")
        print(f"  share of our step spent on its images: {result['data_share']:.2%}")
        print(f"  the loop's overhead over its bare step: {result['loop_overhead']:+.1%}")


def main() -> None:
    """Parses the arguments and runs the driver or a worker."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="*", default=[32, 128])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, default=None, help="for logs; default: a temporary one")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.batch[0], str(arguments.folder))
        return
    import tempfile

    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="benchmark-training-"))
    folder.mkdir(parents=True, exist_ok=True)
    results = [measure(batch, arguments.rounds, folder) for batch in arguments.batch]
    show(results)
    if arguments.json:
        document = {"machine": platform.processor() or platform.machine(), "results": results}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
