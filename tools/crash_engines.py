#!/usr/bin/env python3
"""Kills workers of an engine at random moments of preprocess: it ends right, or with one message.

    python tools/crash_engines.py dask --kills 14
    python tools/crash_engines.py portable --kills 3
    python tools/crash_engines.py flink --kills 20 --flink-home ... --jar ...

A kill is SIGKILL to a process that runs tasks (a Python worker, Dask's own worker or what looks after it, a
TaskManager, which another one replaces), in the middle of a run on the bundled digits. What must hold: the
prepared data are those of a run in memory, byte for byte; or the run ends with one message, publishes
nothing, and the same command on a whole engine gives those bytes. --seed repeats the draws.

Cost: some ten seconds a kill, and as much as the engine takes to begin. Expect: no line that says "wrong".
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import cluster
import psutil

sys.path.insert(0, str(cluster.ROOT))

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


def prepare(output: Path, engine: str = "", begun: cluster.Cluster | None = None) -> dict[str, str]:
    """Prepares the digits; returns the sha256 of each file."""
    output.mkdir(parents=True)
    way = {}
    if begun is not None:
        options = ",".join(f"{name}={value}" for name, value in begun.options.items())
        way = {"runner": MODES.get(engine, engine), "beam_option": options}
    config = DataConfig(dataset="digits", labels_per_class=5, **way)
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
        self.right = prepare(root / "in_memory")
        self.counts: Counter[tuple[str, str]] = Counter()
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
        if prepare(self.root / str(self.number), self.engine, self.begun) != self.right:
            raise SystemExit("an undisturbed run gives other bytes")
        return time.monotonic() - start

    def kill_once(self) -> None:
        """Runs once with a kill, and again on a whole engine where that ended with a message."""
        self.number += 1
        hit: list[str] = []
        over = threading.Event()
        wait = self.draw.uniform(0, self.seconds)

        def kill() -> None:
            time.sleep(wait)
            while not over.is_set():
                if found := victims(self.engine, self.begun):
                    role, process = self.draw.choice(found)
                    os.kill(process, signal.SIGKILL)
                    hit.append(role)
                    if role in REPLACED:
                        self.begun.replace(role, process)
                    return
                time.sleep(0.05)

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        output, said = self.root / str(self.number), ""
        try:
            ended = "right" if prepare(output, self.engine, self.begun) == self.right else "wrong"
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
            if prepare(self.root / f"{self.number}-again", self.engine, self.begun) != self.right:
                ended = "wrong"
        role = hit[0] if hit else "(none: the run was over)"
        self.counts[role, ended] += 1
        print(f"{self.number}: {role} after {wait:.1f} s: {ended}. {said[:200]}", flush=True)
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
    for (role, ended), count in sorted(trial.counts.items()):
        print(f"{count:4d}  {role}: {ended}")
    if any(ended == "wrong" for _, ended in trial.counts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
