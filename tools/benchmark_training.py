#!/usr/bin/env python3
"""Times training steps side by side, in turns, in one run: ours, PyTorch's, the original's way, the peak.

    python tools/benchmark_training.py                    all, full size, batch 32 and 128
    python tools/benchmark_training.py --batch 32 --rounds 3 --json out.json
    python tools/benchmark_training.py --recipe few-labels   its step alone, 32 + 96 images, in two minutes

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
    pytorch       the same `ssgan` step written in PyTorch, channels-last, compiled or eager (the better)
    original      the way of the TF1 original: one call each for the discriminator's update, the
                  generator's, both losses and the accuracy, Eigen's convolutions (oneDNN off, as then)
    peak          float32 matrix products of 4096 x 4096, TensorFlow with oneDNN
    few-labels    the `few-labels` step of the training loop with its defaults, and the same in PyTorch
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from training_contenders import PEAK_SIDE
from training_flop import few_labels_flop, improved_gan_flop, ssgan_flop


def worker(name: str, batch: int, folder: str) -> None:
    """Serves one contender: reads step counts from standard input, writes seconds and peak memory."""
    from training_contenders import CONTENDERS

    run = CONTENDERS[name](batch, folder)
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


def started(
    wanted: list[tuple[str, int]], batch: int, rounds: int, folder: Path, title: str
) -> dict[str, Contender]:
    """Starts those that can be, runs the rounds, and stops them."""
    contenders: dict[str, Contender] = {}
    for name, count in wanted:
        try:
            contenders[name] = Contender(name, batch, count, folder)
        except RuntimeError as error:
            print(f"  left out: {error}", file=sys.stderr)
    for number in range(rounds):
        for contender in contenders.values():
            contender.turn()
        print(f"  {title}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    for contender in contenders.values():
        contender.stop()
    return contenders


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
    return figures(batch, started(wanted, batch, rounds, folder, f"batch {batch}"))


def few_labels(rounds: int, folder: Path) -> dict[str, Any]:
    """Measures the step of `few-labels`, and shows its figures."""
    wanted = [("few-labels", 20), ("few-labels-pytorch-eager", 20), ("few-labels-pytorch-compiled", 20)]
    contenders = started([("peak", 2), *wanted], 96, rounds, folder, "few-labels")
    top, mine = contenders.pop("peak"), contenders["few-labels"]
    result: dict[str, Any] = {"peak_gflops": 2.0 * PEAK_SIDE**3 / statistics.median(top.times) / 1e9}
    print(f"\nfew-labels, 32 + 96 images   (matrix-product peak {result['peak_gflops']:.0f} GFLOP/s)")
    for name, contender in contenders.items():
        share = statistics.median(
            (few_labels_flop() / step) / (2.0 * PEAK_SIDE**3 / best)
            for step, best in zip(contender.times, top.times, strict=True)
        )
        seconds, times = statistics.median(contender.times), ratio(contender, mine)
        result[name] = {"seconds_per_step": seconds, "share_of_peak": share, "times_ours": times}
        print(f"  {name:28}{seconds * 1e3:8.1f} ms/step {share:6.1%} of peak {times:6.2f} times ours")
    return result


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
    parser.add_argument("--recipe", choices=["ssgan", "few-labels"], default="ssgan")
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
    if arguments.recipe == "few-labels":
        results = [few_labels(arguments.rounds, folder)]
    else:
        results = [measure(batch, arguments.rounds, folder) for batch in arguments.batch]
        show(results)
    if arguments.json:
        document = {"machine": platform.processor() or platform.machine(), "results": results}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
