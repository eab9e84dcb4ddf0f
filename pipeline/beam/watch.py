"""What the driver sees of a pass while it runs: progress, and workers of an engine that have fallen silent.

Engines notice in their own time that a worker is gone, and give its pieces to another; some never do, and
wait without end. So a piece whose worker has fallen silent, and that nobody takes up again, ends the pass.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.beam.pieces import Piece
from pipeline.beam.task import BEAT, DONE, FAILED, RUNNING

POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Patience:
    """Seconds that a pass on an engine may wait.

    Attributes:
        begin: until the first task begins on any worker.
        silent: without a sign of a worker that has a piece, until it counts as gone.
        again: after that, until another worker takes one of its pieces up, or any piece is done.
    """

    begin: float
    silent: float
    again: float


class Watch:
    """Counts the items of the pieces that are done, and looks after the workers."""

    def __init__(
        self, pieces: Sequence[Piece], scratch: Path, name: str, progress: Callable[[int], None]
    ) -> None:
        self.sizes = {f"{name}-{piece.stem}": piece.stop - piece.start for piece in pieces}
        self.scratch, self.name, self.progress = scratch, name, progress
        self.total, self.last = sum(self.sizes.values()), 0
        self.began = time.monotonic()
        self._beats: dict[str, tuple[int, float]] = {}
        self._state: tuple[int, int] = (0, 0)
        self._moved = self.began

    def look(self) -> None:
        """Tells the progress, if there is any; the end is told by `run_pass`."""
        done = sum(self.sizes[path.stem] for path in self._files(DONE))
        if self.last < done < self.total:
            self.last = done
            self.progress(done)

    def trouble(self, patience: Patience) -> str | None:
        """Says why it is of no use to wait for an engine any longer; None while it is."""
        now = time.monotonic()
        over = {path.stem for ending in (DONE, FAILED) for path in self._files(ending)}
        claims = {path.stem: path for path in self._files(RUNNING)}
        if not claims and not over:
            if now - self.began < patience.begin:
                return None
            return f"no worker has begun within {patience.begin:.0f} seconds"
        workers: dict[str, str] = {}
        taken = 0
        for stem, path in claims.items():
            try:
                taken = max(taken, path.stat().st_mtime_ns)
                if stem not in over:
                    workers[stem] = path.read_text()
            except OSError:
                continue
        state = (len(over), taken)
        if state != self._state:
            self._state, self._moved = state, now
        gone = {worker for worker in workers.values() if self._is_gone(worker, now, patience.silent)}
        # a worker that is there may be on its way to a long piece; one that is gone is not
        if not gone or now - self._moved < patience.again:
            return None
        number = sum(worker in gone for worker in workers.values())
        return f"{number} piece(s) were with a worker that is gone, and no other took them up"

    def _is_gone(self, worker: str, now: float, silent: float) -> bool:
        host, _, process = worker.partition(" ")
        if host == socket.gethostname():
            return not _is_alive(int(process))
        try:
            beat = (self.scratch / f"{BEAT}{host}-{process}").stat().st_mtime_ns
        except OSError:
            beat = 0
        if self._beats.get(worker, (-1, 0.0))[0] != beat:
            self._beats[worker] = beat, now
        return now - self._beats[worker][1] > silent

    def _files(self, ending: str) -> Iterator[Path]:
        return self.scratch.glob(f"{self.name}-*{ending}")

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Looks again and again while the block runs."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(POLL_SECONDS):
                self.look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _is_alive(process: int) -> bool:
    try:
        # one that has ended, but that nobody has waited for, is gone too
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not Path("/proc/self").exists()
