#!/usr/bin/env python3
"""Kills, damages and starves tiny runs: the same command again must end the same, or with one message.

    python tools/crash_test.py --kills 100 --damage 40 --disk 20

kills   SIGKILL at a random moment of a stage, before one of its file operations, or within publishing; many
        in one folder, then the same command to its end
damage  a flipped byte, or a cut end, of a random file of a result; then the same command, or the next one
disk    a small tmpfs (mounting it needs root) that fills up, many times; then the same command with room

What must hold: no published result is half there; a command that fails says one "error:" line and ends with
2 to 6; and what a whole run leaves is that of an undisturbed one: shards, dataset.json, values of
checkpoints, metrics, summary, and no hidden file. --seed repeats the draws.

Cost: an undisturbed run, then seconds for each disturbance; how many is printed.
Expect: nothing in the column "wrong". Otherwise the exit code is 1 and what was wrong is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import crash_commands as commands
from crash_commands import PLACES, Ended, Kill, half_published

# an export is checked by processes that start anew, which takes longer than all the rest
TURNS = ("preprocess", "evaluate", "train", "preprocess", "evaluate", "preprocess", "export", "evaluate")
PER_ROUND = 8
DISK_ROUND = 5


class Trial:
    """An undisturbed run, what each of its stages takes, and the count of what others ended with."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.draw = root, random.Random(seed)
        self.whole = root / "undisturbed"
        self.seconds = self._undisturbed(root / "seconds.json")
        self.expected = commands.payload(self.whole)
        self.counts: dict[str, Counter[str]] = {}
        self.wrong: list[str] = []

    def _undisturbed(self, file: Path) -> dict[str, float]:
        """Makes the undisturbed run, if an earlier call did not; returns the seconds of each stage."""
        if not file.exists():
            ended = commands.run(self.whole)
            if ended.code or half_published(self.whole):
                raise SystemExit("\n".join(["the undisturbed run failed:", *ended.lines]))
            marks = [*ended.begun.values()]
            took = (b - a for a, b in zip(marks, marks[1:], strict=False))
            file.write_text(json.dumps(dict(zip(PLACES, took, strict=True))))
        return dict(json.loads(file.read_text()))

    def count(self, kind: str, outcome: str, why: str = "") -> None:
        """Counts an outcome; `why` says what is wrong."""
        self.counts.setdefault(kind, Counter())[outcome] += 1
        if why:
            self.wrong.append(f"{kind}: {why}")
            print(f"WRONG {kind}: {why}", file=sys.stderr, flush=True)

    def copy(self, name: str) -> Path:
        """A fresh copy of the undisturbed working folder."""
        workdir = self.root / name
        shutil.rmtree(workdir, ignore_errors=True)
        return Path(shutil.copytree(self.whole, workdir))

    def judge(self, kind: str, workdir: Path, ended: Ended, note: str = "") -> None:
        """Counts how an undisturbed command after a disturbance ended."""
        if ended.refused:
            self.count(kind, "one message")
        elif ended.code:
            self.count(kind, "wrong", f"{note}: exit code {ended.code}: {' / '.join(ended.lines[-6:])}")
        else:
            got = commands.payload(workdir)
            other = sorted(key for key in self.expected | got if got.get(key) != self.expected.get(key))
            why = f"{note}: not as undisturbed: {other} {got['hidden']}" if other else ""
            self.count(kind, "wrong" if other else "the same", why)

    def kills(self, number: int) -> None:
        """Kills a stage many times, its result absent at first and later in the way, then lets it end."""
        for first in range(0, number, PER_ROUND):
            stage = TURNS[first // PER_ROUND % len(TURNS)]
            workdir = self.copy("killed")
            shutil.rmtree(workdir / "seed-0" / PLACES[stage])
            kills = [self._kill(stage) for _ in range(min(PER_ROUND, number - first))]
            for kill in kills:
                ended = commands.run(workdir, "--force", stage, kill=kill)
                kind = f"kill {stage}"
                if half := half_published(workdir):
                    self.count(kind, "wrong", f"{kill}: {half}")
                elif ended.code == -9:
                    self.count(kind, "killed")
                else:
                    self.judge(kind, workdir, ended, str(kill))
            again = ("--force", stage) if first // PER_ROUND % 2 else ()
            self.judge(f"kill {stage}", workdir, commands.run(workdir, *again), f"after {kills}")

    def _kill(self, stage: str) -> Kill:
        aim = self.draw.choice(("moment", "operation", "publishing"))
        if aim == "moment":
            return Kill(stage, after=self.draw.uniform(0, self.seconds[stage]))
        return Kill(stage, number=self.draw.randint(1, 12), publishing=aim == "publishing")

    def damages(self, number: int) -> None:
        """Damages one file of a result, then runs the same command or the next one alone."""
        following = dict(zip(PLACES, [*list(PLACES)[1:], "export"], strict=True))
        for turn in range(number):
            stage = list(PLACES)[turn // 4 % len(PLACES)]
            workdir = self.copy("damaged")
            folder = workdir / "seed-0" / PLACES[stage]
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            # every third time the manifest, which is one file of many
            path = folder / "manifest.json" if turn % 3 == 0 else self.draw.choice(files)
            what = self._damage(path, kind := ("flip", "cut")[turn % 2])
            if turn // 2 % 2:
                ended, command = commands.run(workdir), "run"
            else:
                command = following[stage]
                ended = commands.ganpipe(
                    command, "--config", workdir / "config.yaml", "--workdir", workdir, workdir=workdir
                )
            note = f"{path.relative_to(workdir)} {what}, then {command}"
            self.judge(f"{kind} {stage}", workdir, ended, note)

    def _damage(self, path: Path, kind: str) -> str:
        content = bytearray(path.read_bytes() or b"?")
        place = self.draw.randrange(len(content))
        if kind == "cut":
            del content[place:]
        else:
            content[place] ^= 1 << self.draw.randrange(8)
        path.write_bytes(content)
        return f"{kind} at byte {place} of {len(content)}"

    def disks(self, number: int) -> None:
        """Lets a stage run out of disk at growing sizes, its result absent at first, then makes room."""
        for first in range(0, number, DISK_ROUND):
            stage = [*PLACES][first // DISK_ROUND % len(PLACES)]
            with commands.small_disk(self.root / "disk") as disk:
                if disk is None:
                    print("disk: left out, mounting a tmpfs is not allowed here")
                    return
                workdir = Path(shutil.copytree(self.whole, disk / "run"))
                shutil.rmtree(workdir / "seed-0" / PLACES[stage])
                kind = f"disk {stage}"
                for _ in range(min(DISK_ROUND, number - first)):
                    needed = commands.used(self.whole / "seed-0" / PLACES[stage])
                    room = self.draw.randrange(commands.PAGE, max(2 * commands.PAGE, 2 * needed))
                    commands.resize(disk, commands.used(disk) + room)
                    ended = commands.run(workdir, "--force", stage)
                    left = [p.name for p in disk.rglob("*") if p.suffix == ".partial" or "_temp" in p.name]
                    wrong = half_published(workdir) + left
                    if wrong:
                        self.count(kind, "wrong", f"with {room} bytes: {wrong} {ended.lines[-3:]}")
                    else:
                        self.judge(kind, workdir, ended, f"with {room} bytes")
                commands.resize(disk, 1 << 30)
                self.judge(kind, workdir, commands.run(workdir, "--force", stage), "with room")


def main() -> int:
    """Runs the trials; returns 1 if anything was wrong."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--kills", type=int, default=16, help="[default: %(default)s]")
    parser.add_argument("--damage", type=int, default=8, help="[default: %(default)s]")
    parser.add_argument("--disk", type=int, default=5, help="[default: %(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="[default: %(default)s]")
    parser.add_argument("--workdir", type=Path, help="a folder to keep; default: a temporary one")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = options.workdir or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root.mkdir(parents=True, exist_ok=True)
        trial = Trial(root.resolve(), options.seed)
        # stopped by Ctrl-C, it still says what it has counted
        with contextlib.suppress(KeyboardInterrupt):
            for name, trials in (("kills", trial.kills), ("damage", trial.damages), ("disk", trial.disks)):
                start, number = time.monotonic(), getattr(options, name)
                trials(number)
                if number:
                    each = (time.monotonic() - start) / number
                    print(f"{name}: {number}, {each:.1f} s each with the runs to the end", flush=True)
    columns = ("killed", "the same", "one message", "wrong")
    print("\n" + " ".join([f"{'':18}", *(f"{column:>12}" for column in columns)]))
    for kind, counts in trial.counts.items():
        print(" ".join([f"{kind:18}", *(f"{counts[column]:12}" for column in columns)]))
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
