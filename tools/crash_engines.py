#!/usr/bin/env python3
"""Kills workers of an engine at random moments of preprocess: it ends right, or with one message.

    python tools/crash_engines.py dask --kills 14
    python tools/crash_engines.py portable --kills 3
    python tools/crash_engines.py flink --kills 20 --flink-home ... --jar ...

A kill is SIGKILL to a process that runs tasks (a Python worker, Dask's own worker or what looks after it, a
TaskManager, which another one replaces), in the middle of a run on images of noise. A third of the kills
comes at any moment, which is mostly before or between the passes; a third each within seconds of the first
piece of the first and of the second pass. Each line says how many pieces workers had in hand. What must hold:
the prepared data are those of a run in memory, byte for byte; or the run ends with one message, publishes
nothing, and the same command on a whole engine gives those bytes. --seed repeats the draws.

Cost: some ten seconds a kill, a minute on Flink with a core to itself, and as much as the engine takes to
begin. Expect: no line that says "wrong".
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import cluster
import numpy as np
import psutil
from PIL import Image

sys.path.insert(0, str(cluster.ROOT))

from pipeline.beam.task import DONE, RUNNING
from pipeline.errors import GanpipeError
from pipeline.stages.preprocess import stage
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal

MODES = {"prism": "portable"}
ROLES = {
    "dask": ("worker",),
    "portable": ("pool",),
    "prism": ("pool",),
    "flink": ("taskmanager", "pool"),
}
POOL = "pool"
# by what looks after such a cluster; without one Flink waits for a slot until its patience ends
REPLACED = ("taskmanager",)


PASSES = ("scan", "write")
# enough that a pass takes seconds: a piece that is read has 256 images at least
IMAGES, SIDE = 1536, 224
# from the first piece of a pass to the kill
WITHIN = 2.0


def make_images(folder: Path) -> None:
    """Writes noise into three folders, a class each."""
    noise = np.random.default_rng(0)
    for number in range(IMAGES):
        place = folder / "abc"[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (SIDE, SIDE), np.uint8)).save(place / f"{number:04d}.png")


def in_hand(scratch: Path, name: str) -> int:
    """How many pieces of a pass were taken up by a worker and are not done."""
    taken = {path.stem for path in scratch.glob(f"{name}-*{RUNNING}")}
    return len(taken - {path.stem for path in scratch.glob(f"{name}-*{DONE}")})


def prepare(
    images: Path, output: Path, engine: str = "", begun: cluster.Cluster | None = None
) -> dict[str, str]:
    """Prepares the images; returns the sha256 of each file."""
    output.mkdir(parents=True)
    way = {}
    if begun is not None:
        options = ",".join(f"{name}={value}" for name, value in begun.options.items())
        way = {"runner": MODES.get(engine, engine), "beam_option": options}
    config = DataConfig(
        dataset=f"folder:{images}", image_size=SIDE, channels=1, labels_per_class=5, shards=6, **way
    )
    stage.run(config, seed=1, output=output, terminal=Terminal(io.StringIO()))
    files = (path for path in output.rglob("*") if path.is_file())
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def victims(engine: str, begun: cluster.Cluster) -> list[tuple[str, int]]:
    """Processes that run tasks, by what they are."""
    found = []
    for role in ROLES[engine]:
        for leader in begun.processes[role]:
            try:
                below = psutil.Process(leader).children(recursive=True)
            except psutil.NoSuchProcess:
                continue
            if role != POOL:
                found.append((role, leader))
            found += [("Python worker", process.pid) for process in below if runs_tasks(process)]
    return found


def runs_tasks(process: psutil.Process) -> bool:
    """Whether it is not one that has ended, or that multiprocessing tracks its resources with."""
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False


class Trial:
    """One engine, the bytes that are right, and what kills ended with."""

    def __init__(self, engine: str, root: Path, wanted: dict, draw: random.Random) -> None:
        self.engine, self.root, self.wanted, self.draw = engine, root, wanted, draw
        self.images = root / "images"
        make_images(self.images)
        self.right = prepare(self.images, root / "in_memory")
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.number = 0
        self.begun = self._begin()
        # the workers load their libraries
        self.seconds = max(self._time(), 1.0)
        self.seconds = self._time()

    def _begin(self) -> cluster.Cluster:
        return cluster.begin(self.engine, self.root / f"engine-{self.number}", **self.wanted)

    def _time(self) -> float:
        self.number += 1
        start = time.monotonic()
        if not self._is_right(self.root / str(self.number)):
            raise SystemExit("an undisturbed run gives other bytes")
        return time.monotonic() - start

    def _is_right(self, output: Path) -> bool:
        found = prepare(self.images, output, self.engine, self.begun)
        shutil.rmtree(output)
        return found == self.right

    def kill_once(self) -> None:
        """Runs once with a kill, and again on a whole engine where that ended with a message."""
        self.number += 1
        hit: list[str] = []
        busy = 0
        over = threading.Event()
        aim = self.draw.choice(("", *PASSES))
        wait = self.draw.uniform(0, WITHIN if aim else self.seconds)
        output, said = self.root / str(self.number), ""
        scratch = output / ".scratch"

        def kill() -> None:
            nonlocal busy
            while aim and not over.is_set() and not any(scratch.glob(f"{aim}-*{RUNNING}")):
                time.sleep(0.02)
            time.sleep(wait)
            while not over.is_set():
                if found := victims(self.engine, self.begun):
                    role = self.draw.choice(sorted({role for role, _ in found}))
                    process = self.draw.choice([process for one, process in found if one == role])
                    busy = sum(in_hand(scratch, name) for name in PASSES)
                    os.kill(process, signal.SIGKILL)
                    hit.append(role)
                    if role in REPLACED:
                        self.begun.replace(role, process)
                    return
                time.sleep(0.05)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        try:
            ended = "right" if self._is_right(output) else "wrong"
        except GanpipeError as error:
            ended, said = "message, then right", str(error)
        except Exception as error:
            ended, said = "wrong", repr(error)
        over.set()
        thread.join()
        if ended == "message, then right":
            if (output / "dataset.json").exists():
                ended = "wrong"
            self.begun.stop()
            self.begun = self._begin()
            if not self._is_right(self.root / f"{self.number}-again"):
                ended = "wrong"
        role = hit[0] if hit else "(none: the run was over)"
        self.counts[role, "pieces in hand" if busy else "none in hand", ended] += 1
        since = f"of the pass {aim}" if aim else "of the run"
        print(
            f"{self.number}: {role} at {wait:.1f} s {since}, pieces in hand {busy}: {ended}. {said[:200]}",
            flush=True,
        )
        if self.engine != "flink" and (self.engine != "dask" or role == "worker"):
            self.begun.stop()
            self.begun = self._begin()


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=tuple(ROLES))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prism")
    parser.add_argument("--flink-home", type=Path)
    parser.add_argument("--jar", type=Path)
    arguments = parser.parse_args()
    wanted = {"prism": arguments.prism, "flink_home": arguments.flink_home, "jar": arguments.jar}
    with tempfile.TemporaryDirectory(prefix="crash-engines-") as name:
        try:
            trial = Trial(arguments.engine, Path(name), wanted, random.Random(arguments.seed))
        except cluster.Missing as missing:
            raise SystemExit(f"error: {missing}") from None
        try:
            print(f"an undisturbed run takes {trial.seconds:.1f} s", flush=True)
            for _ in range(arguments.kills):
                trial.kill_once()
        finally:
            trial.begun.stop()
    for (role, busy, ended), count in sorted(trial.counts.items()):
        print(f"{count:4d}  {role}, {busy}: {ended}")
    if any(ended == "wrong" for *_, ended in trial.counts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
