"""Who works on what, where several processes or machines share a folder.

    with claimed(folder / "cell.claim") as mine:
        if mine:
            ...                     # nobody else is at it

A claim is a file whose lock its holder keeps: on one machine the lock goes with the process, however that
ends, and the claim is free at once. Locks may not reach other machines. So the file also says which machine
holds it, and its time is renewed while the holder lives: a claim of another machine that has not been
renewed for `STALE` seconds is of a dead process and is taken over. Its age is measured by the clock of the
file system, which all machines share. Two machines whose locks do not reach each other, and of which one
stands still for longer than `SETTLE` between looking and writing, could both get a claim: the work is then
done twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

BEAT = 15.0
"""Seconds between renewals."""
STALE = 120.0
"""Seconds without renewal after which another machine's process counts as dead."""
SETTLE = 0.1
"""Seconds after which a claim that still stands is one's own."""


def machine() -> str:
    """What tells this machine from others that share a folder with it."""
    return f"{platform.node()}/{uuid.getnode():x}"


@contextmanager
def claimed(path: Path, *, stale: float = STALE, beat: float = BEAT) -> Iterator[bool]:
    """Tries to claim something, without waiting; yields whether it is ours now.

    Args:
        path: the claim's file; its folder must be there.
        stale: seconds after which a claim of another machine that was not renewed is taken over.
        beat: seconds between renewals of ours.
    """
    with path.open("a+") as file:
        token = _take(file, path, stale)
        if token is None:
            yield False
            return
        ended = threading.Event()
        renewing = threading.Thread(target=_renew, args=(path, ended, beat), daemon=True)
        renewing.start()
        try:
            yield True
        finally:
            ended.set()
            renewing.join()
            if _holder(path).get("token") == token:
                path.unlink(missing_ok=True)


@contextmanager
def claimed_soon(path: Path, *, poll: float = 0.1) -> Iterator[None]:
    """Waits until a claim is ours: for what takes its holders a moment only."""
    while True:
        with claimed(path) as mine:
            if mine:
                yield
                return
        time.sleep(poll)


def _take(file: TextIO, path: Path, stale: float) -> str | None:
    """Takes the claim if it is free; returns what is written into it, or None."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # the holder before may have removed the file between our opening and our locking it
        if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
            return None
    except (BlockingIOError, FileNotFoundError):
        return None
    holder = _holder(path)
    elsewhere = holder.get("machine") not in (None, machine())
    if elsewhere and _age(path) < stale:
        return None
    token = uuid.uuid4().hex
    file.seek(0)
    file.truncate()
    file.write(json.dumps({"machine": machine(), "process": os.getpid(), "token": token}))
    file.flush()
    os.fsync(file.fileno())
    time.sleep(SETTLE)
    return token if _holder(path).get("token") == token else None


def _holder(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _age(path: Path) -> float:
    """Seconds since a claim was renewed, by the clock that gives files their times."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".clock-") as probe:
        return os.fstat(probe.fileno()).st_mtime - path.stat().st_mtime


def _renew(path: Path, ended: threading.Event, beat: float) -> None:
    while not ended.wait(beat):
        with contextlib.suppress(OSError):
            os.utime(path)
