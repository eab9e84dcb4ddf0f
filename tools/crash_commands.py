"""What `crash_test.py` needs: commands that are killed, what a run leaves, and disks that are small.

Commands are forked from a process that has imported the libraries: importing takes longer than a stage.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FAST = ("--no-baseline", "--set", "evaluate.samples=0", "--set", "recipe.width=0.0625")
TINY = (*FAST, "--set", "train.checkpoint_every=10", "--steps", "20")
PLACES = {
    "preprocess": "data",
    "train": "ssgan/train",
    "evaluate": "ssgan/evaluate",
    "export": "ssgan/export",
}
PAYLOAD = ("data/*.tfrecord", "data/dataset.json", "*/train/checkpoints/*.data*", "*/evaluate/metrics.json")
EXPORTED = ("classifier", "generator")
OPERATIONS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir")
LIMIT = 300
PAGE = 4096
FORKS = multiprocessing.get_context("forkserver")
PRELOADED = """tensorflow keras apache_beam sklearn.datasets scipy.stats matplotlib.figure jinja2
    tensorboard.plugins.hparams.api pipeline.cli pipeline.chain.orchestrator pipeline.reporting.report
    pipeline.reporting.sections pipeline.beam.runner ssgan_tf.training.loop ssgan_tf.recipes.ssgan
    ssgan_tf.savedmodel"""
FORKS.set_forkserver_preload(PRELOADED.split())


class Kill(NamedTuple):
    """When: `after` seconds from the line `stage`: running, or before file operation `number`."""

    stage: str
    after: float | None = None
    number: int = 0
    publishing: bool = False


class Ended(NamedTuple):
    """How a command ended: its exit code (-9: killed), its lines, and when each stage began."""

    code: int
    lines: list[str]
    begun: dict[str, float]

    @property
    def refused(self) -> bool:
        """Whether it ended with one message and its exit code."""
        errors = [line for line in self.lines if line.startswith("error: ")]
        noise = any("Traceback" in line or "Error:" in line for line in self.lines)
        return self.code in range(2, 7) and len(errors) == 1 and errors == self.lines[-1:] and not noise


def _command(arguments: list[str], log: Path, workdir: Path, kill: Kill | None) -> None:
    """In a child: `ganpipe ARGUMENTS` with its lines in `log`."""
    os.setpgid(0, 0)
    for descriptor in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    if kill and kill.number:
        sys.addaudithook(_killing_hook(str(workdir), kill))
    from pipeline.cli import main

    main(arguments)


def _killing_hook(workdir: str, kill: Kill) -> Callable[[str, tuple[Any, ...]], None]:
    count, stage = itertools.count(1), f"/.{Path(PLACES[kill.stage]).name}."
    begun = False

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal begun
        if event not in OPERATIONS or (event == "open" and not given[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        path = str(given[0])
        begun = begun or (stage in path and ("manifest.json" in path or not kill.publishing))
        within = path.startswith(workdir) or (event in ("os.remove", "os.rmdir") and given[1] != -1)
        if begun and within and next(count) == kill.number:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def ganpipe(*arguments: Any, workdir: Path, kill: Kill | None = None) -> Ended:
    """Runs a command, killing it where `kill` says, and all that it started when it has ended."""
    # not beside the working folder, whose disk may be full
    log = Path(tempfile.gettempdir()) / f"crash-{os.getpid()}.lines"
    log.unlink(missing_ok=True)
    log.touch()
    given = [str(argument) for argument in arguments]
    process = FORKS.Process(target=_command, args=(given, log, workdir, kill))
    process.start()
    begun: dict[str, float] = {}
    limit = time.monotonic() + LIMIT
    try:
        while process.is_alive():
            for stage, place in PLACES.items():
                if stage not in begun and f"seed-0/{place}: running" in log.read_text():
                    begun[stage] = time.monotonic()
            due = begun[kill.stage] + kill.after if kill and kill.after and kill.stage in begun else limit
            if time.monotonic() > min(due, limit):
                process.kill()
            process.join(0.01)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    lines = log.read_text().splitlines()
    log.unlink()
    return Ended(process.exitcode or 0, lines, begun | {"": time.monotonic()})


def run(workdir: Path, *more: str, kill: Kill | None = None) -> Ended:
    """The whole tiny run."""
    return ganpipe("run", "--workdir", workdir, *TINY, *more, workdir=workdir, kill=kill)


def payload(workdir: Path) -> dict[str, str]:
    """What decides a result; event files hold wall times, SavedModels the names of a process's functions."""
    draw = workdir / "seed-0"
    found = {str(p.relative_to(draw)): _digest(p) for pattern in PAYLOAD for p in sorted(draw.glob(pattern))}
    summary = json.loads((workdir / "summary.json").read_text())
    found["summary"] = json.dumps({name: value for name, value in summary.items() if name not in EXPORTED})
    return found | {"hidden": " ".join(path.name for path in workdir.rglob(".*"))}


def _digest(path: Path) -> str:
    if ".data-" not in path.name:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    import tensorflow as tf

    # the values: a checkpoint's graph also holds Keras's names, which count the layers of the process
    reader = tf.train.load_checkpoint(str(path).partition(".data-")[0])
    names = sorted(set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"})
    return hashlib.sha256(b"".join(n.encode() + reader.get_tensor(n).tobytes() for n in names)).hexdigest()


def half_published(workdir: Path) -> list[str]:
    """Says which published result lacks a file or has one of other bytes, and what a half write left."""
    found = []
    for name in PLACES.values():
        folder = workdir / "seed-0" / name
        if not folder.exists():
            continue
        try:
            files = json.loads((folder / "manifest.json").read_text())["files"]
            for file, entry in files.items():
                if hashlib.sha256((folder / file).read_bytes()).hexdigest() != entry["sha256"]:
                    found.append(f"{name}/{file} has other bytes")
        except (OSError, ValueError) as error:
            found.append(f"{name}: {error}")
    return found


def used(folder: Path) -> int:
    """Bytes that a folder takes on a tmpfs: whole pages."""
    return sum(-(-path.stat().st_size // PAGE) * PAGE for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path | None]:
    """Mounts a tmpfs; None where that is not allowed."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def resize(disk: Path, size: int) -> None:
    """Gives a mounted tmpfs another size, of whole pages."""
    size = -(-size // PAGE) * PAGE
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
