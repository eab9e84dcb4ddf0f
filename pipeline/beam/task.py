"""A task: a function of a piece, as it runs on a worker, and the files by which it tells of itself.

    NAME-PIECE.running    which worker took it up; on an engine only
    NAME-PIECE.done       its receipt
    NAME-PIECE.failed     why it failed
    beat-HOST-PROCESS     touched every second for as long as that worker lives; on an engine only

An engine may run a piece again, also while a worker that it believes dead still works on it. So every file
appears by one rename, under names of the attempt's own before, and the same piece gives the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.beam.handshake import Handshake
from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt
from pipeline.errors import GanpipeError, writing_to
from ssgan_tf.whole_files import replacing

RESERVE = "reserve"
BEAT = "beat-"
RUNNING, DONE, FAILED = ".running", ".done", ".failed"
_BEAT_SECONDS = 1.0
_beating: set[Path] = set()
_lock = threading.Lock()

Function = Callable[[Piece], Receipt | None]


class Task:
    """A function of a piece that leaves its failure, or its receipt, as a file in `scratch`.

    Nothing is raised into Beam but that the worker is a stranger, which has no place to write to: Beam's own
    report of an exception is long, and differs from mode to mode.
    """

    def __init__(
        self, function: Function, scratch: Path, name: str, handshake: Handshake | None = None
    ) -> None:
        self.function, self.scratch, self.name, self.handshake = function, scratch, name, handshake

    def __call__(self, element: tuple[Any, ...]) -> str:
        """Runs the function, unless an earlier piece has failed: then its failure is the one to tell."""
        piece = Piece(*element)
        place = self.scratch / f"{self.name}-{piece.stem}"
        if self.handshake is not None:
            self.handshake.meet()
            _beat(self.scratch)
            _write(place.with_suffix(RUNNING), me())
        if any(failed.stem < place.name for failed in self.scratch.glob(f"{self.name}-*{FAILED}")):
            return piece.stem
        try:
            with writing_to(self.scratch):
                receipt = self.function(piece)
                _write(place.with_suffix(DONE), json.dumps(receipt))
        except GanpipeError as error:
            _put(place, {"kind": type(error).__name__, "message": str(error)})
        except Exception:
            _put(place, {"kind": "", "message": traceback.format_exc()})
        return piece.stem


def me() -> str:
    """Returns the name of this worker process among all of an engine."""
    return f"{socket.gethostname()} {os.getpid()}"


def _write(path: Path, text: str) -> None:
    with replacing(path, durable=False, shared=True) as partial:
        partial.write_text(text)


def _put(place: Path, failure: dict[str, str]) -> None:
    text = json.dumps(failure)
    try:
        _write(place.with_suffix(FAILED), text)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return
        # what was set aside makes room for the first failure, and it is the one to tell; emptied, it stays
        # as a sign of why there may be none
        with contextlib.suppress(OSError):
            os.truncate(place.parent / RESERVE, 0)
            _write(place.with_suffix(FAILED), text)


def _beat(scratch: Path) -> None:
    """Begins to touch this process's file in `scratch`, until the folder goes."""
    with _lock:
        if scratch in _beating:
            return
        _beating.add(scratch)
    place = scratch / (BEAT + me().replace(" ", "-"))
    with contextlib.suppress(OSError):
        place.touch()

    def go_on() -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            try:
                os.utime(place)
            except OSError:
                break
        with _lock:
            _beating.discard(scratch)

    threading.Thread(target=go_on, name="beat", daemon=True).start()
