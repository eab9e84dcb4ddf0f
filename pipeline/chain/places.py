"""An artifact's place: its lock, what killed runs left beside it, and the end of a publication cut short."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DataError
from ssgan_tf.whole_files import sync

MANIFEST = "manifest.json"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of an artifact's place; it goes with the process, however that ends."""
    path = lock_of(folder)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the holder before may have removed the file between our opening and our locking it
            if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            raise DataError(
                f"another ganpipe is writing to {str(folder)!r}; wait for it or choose another --workdir."
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def lock_of(folder: Path) -> Path:
    """The file whose lock says that a run is writing there; a killed run leaves it, unlocked."""
    return folder.with_name(f".{folder.name}.lock")


def recover(folder: Path) -> None:
    """Ends a publication that was killed between its two renames: the new result counts."""
    if not folder.exists() and replaced(folder).exists():
        with locked(folder):
            recover_locked(folder)


def recover_locked(folder: Path) -> None:
    """As `recover`, within `locked(folder)`."""
    old = replaced(folder)
    if folder.exists() or not old.exists():
        return
    whole = [path for path in strays(folder) if path != old and (path / MANIFEST).is_file()]
    newest = max(whole, key=lambda path: (path / MANIFEST).stat().st_mtime_ns, default=None)
    (newest or old).rename(folder)
    sync(folder.parent)


def strays(folder: Path) -> list[Path]:
    """Lists the hidden folders beside a place: unfinished, or about to be removed."""
    return sorted(path for path in folder.parent.glob(f".{folder.name}.*") if path.is_dir())


def replaced(folder: Path) -> Path:
    """Where an artifact lies between the renames that replace it."""
    return folder.with_name(f".{folder.name}.old")
