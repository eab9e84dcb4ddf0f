"""A benchmark on several processes of this machine, each with one thread to compute with.

They share the work by claims, as machines do. A process ends with the one that started it: its standard input
is a pipe that closes then, however that one ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from pipeline.benchmark.work import POLL, Board
from pipeline.child_processes import VARIABLE, search_path
from pipeline.errors import DataError, GanpipeError, Interrupted, TrainingDiverged, UsageError, WorkerLost
from pipeline.workspace import LOG

WORKER = "pipeline.benchmark.worker"
ONE_THREAD = dict.fromkeys(
    (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    ),
    "1",
)
DIVERGED, STOPPED = 4, 130
_KINDS: dict[int, type[GanpipeError]] = {
    2: UsageError,
    3: DataError,
    DIVERGED: TrainingDiverged,
    6: WorkerLost,
    STOPPED: Interrupted,
}


def work_in(count: int, board: Board, root: Path) -> None:
    """Starts processes on a benchmark's folder and waits until every cell is there.

    Args:
        count: of processes.
        board: of the cells; is looked at while they work.
        root: the folder, which says what was asked for.

    Raises:
        GanpipeError: what a process ended with; the others were told to stop and may be continued.
        KeyboardInterrupt: a signal came; they have stopped.
    """
    children = [_start(root) for _ in range(count)]
    try:
        while any(child.poll() is None for child in children):
            board.look()
            # one whose training diverged has made all other cells first
            if any(child.poll() not in (None, 0, DIVERGED) for child in children):
                break
            time.sleep(POLL)
    finally:
        _stop(children)
    board.look()
    # those that were stopped because another one failed are not the reason
    for child in sorted(children, key=lambda child: child.returncode == STOPPED):
        if child.returncode:
            _raise(child, root)


def _start(root: Path) -> subprocess.Popen:
    with (root / LOG).open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", WORKER, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **ONE_THREAD, VARIABLE: search_path()},
            # Ctrl-C reaches this process, which tells them once
            start_new_session=True,
        )


def _stop(children: list[subprocess.Popen]) -> None:
    """Asks those that still work for a checkpoint and waits for them; a second signal ends them at once."""
    try:
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in children:
            child.wait()
    except KeyboardInterrupt:
        for child in children:
            child.kill()
            child.wait()
        raise


def _raise(child: subprocess.Popen, root: Path) -> NoReturn:
    code = child.returncode
    said = child.stdout.read() if child.stdout else ""
    if code < 0:
        raise WorkerLost(
            f"a process of the benchmark was ended by signal {-code}. The same command goes on with the rest."
        )
    if code not in _KINDS:
        raise RuntimeError(f"a process of the benchmark ended with code {code}; see {str(root / LOG)!r}")
    try:
        text = json.loads(said.splitlines()[-1])["error"]
    except (IndexError, ValueError, KeyError):
        text = f"a process of the benchmark ended with code {code}; see {str(root / LOG)!r}."
    raise _KINDS[code](text)
