"""What `benchmark_training.py` lets compete: each gives a function that runs n steps and returns seconds."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training_flop import improved_gan_products, ssgan_products

PEAK_SIDE = 4096


def random_images(count: int = 2048):
    import numpy as np

    numbers = np.random.default_rng(0)
    labels = numbers.integers(0, 10, count).astype(np.int32)
    labels[numbers.random(count) > 0.2] = -1
    return numbers.integers(0, 255, (count, 28, 28, 1), dtype=np.uint8), labels


def make_loop(recipe_name: str, batch: int | None, folder: str, guessed: bool = False, **settings: Any):
    """Builds a training loop over random images; `guessed`: those without a label have a guess."""
    import numpy as np

    from ssgan_tf.recipes import load_recipe
    from ssgan_tf.systems.recipe import DataSpec
    from ssgan_tf.training.batches import MemoryBatches
    from ssgan_tf.training.loop import Loop
    from ssgan_tf.training.options import LoopOptions
    from ssgan_tf.training.strategy import make_strategy

    recipe = load_recipe(recipe_name)
    chosen = {"batch_size": batch, **settings} if batch else settings
    system = recipe.build(recipe.configure("full", chosen), DataSpec((28, 28, 1), 10))
    images, labels = random_images()
    guesses = np.where(labels < 0, np.arange(len(labels)) % 10, -1).astype(np.int32) if guessed else None
    batches = MemoryBatches(images, labels, system.streams(), 0, guesses)
    options = LoopOptions(steps=10**9)
    return Loop(system, batches, make_strategy("default"), options, seed=0, folder=Path(folder))


def timed(step: Callable[[], Any]) -> Callable[[int], float]:
    """Runs a step n times and returns seconds."""

    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            step()
        return time.perf_counter() - start

    return run


def ours(
    recipe: str, batch: int | None, folder: str, guessed: bool = False, **settings: Any
) -> Callable[[int], float]:
    """Our loop, `n` steps in one call."""
    import tensorflow as tf

    loop = make_loop(recipe, batch, folder, guessed, **settings)
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


def products(sizes: list[tuple[int, int, int, int, int, int]]) -> Callable[[int], float]:
    """Runs bare products one after the other, all in one call."""
    import tensorflow as tf

    draws = itertools.count()

    def normal(*shape: int) -> tf.Tensor:
        return tf.random.stateless_normal(shape, [0, next(draws)])

    # the second operand is another one each time: equal products would be merged
    calls: list[tuple[dict[str, bool], tf.Tensor, tf.Tensor]] = []
    for rows, depth, columns, forward, to_input, to_weights in sizes:
        x, y = normal(rows, depth), normal(rows, columns)
        calls += [({}, x, normal(depth, columns)) for _ in range(forward)]
        calls += [({"transpose_b": True}, y, normal(depth, columns)) for _ in range(to_input)]
        calls += [({"transpose_a": True}, x, normal(rows, columns)) for _ in range(to_weights)]

    @tf.function
    def once() -> tf.Tensor:
        total = tf.constant(0.0)
        for flags, first, second in calls:
            # each waits for the one before
            with tf.control_dependencies([total]):
                total += tf.matmul(first, second, **flags)[0, 0]
        return total

    return timed(lambda: once().numpy())


def data_only(batch: int, folder: str) -> Callable[[int], float]:
    """What our step spends on getting its images: the gather alone."""
    import tensorflow as tf

    from ssgan_tf.step_context import StepContext

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

    from ssgan_tf.networks import convolutions
    from ssgan_tf.step_context import StepContext
    from ssgan_tf.systems.recipe import Batch

    # plain convolutions only
    convolutions._conv_pays = convolutions._deconv_pays = lambda *_: False
    loop = make_loop("ssgan", batch, folder, update="alternating")
    images, labels = random_images()

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
    array, labels = random_images()
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

    return timed(step)


def few_labels_in_pytorch(compiled: bool) -> Callable[[int], float]:
    """The `few-labels` step in PyTorch."""
    from few_labels_in_pytorch import step_of_few_labels

    return timed(step_of_few_labels(compiled, *random_images()))


CONTENDERS: dict[str, Callable[[int, str], Callable[[int], float]]] = {
    "ours": lambda batch, folder: ours("ssgan", batch, folder),
    "improved-gan": lambda batch, folder: ours("improved-gan", None, folder),
    "few-labels": lambda batch, folder: ours("few-labels", None, folder, guessed=True),
    "few-labels-pytorch-eager": lambda batch, folder: few_labels_in_pytorch(False),
    "few-labels-pytorch-compiled": lambda batch, folder: few_labels_in_pytorch(True),
    "single": single,
    "products": lambda batch, folder: products(ssgan_products(batch)),
    "improved-gan-products": lambda batch, folder: products(improved_gan_products()),
    "data": data_only,
    "original": original,
    "pytorch-eager": lambda batch, folder: pytorch(batch, False),
    "pytorch-compiled": lambda batch, folder: pytorch(batch, True),
    "peak": lambda batch, folder: peak(),
}
