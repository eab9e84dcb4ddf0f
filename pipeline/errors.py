"""The errors of `ssgan_tf.errors`, and how the command line turns failures of the system into them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssgan_tf.errors import (
    DataError,
    GanpipeError,
    GateRefused,
    Interrupted,
    TrainingDiverged,
    UsageError,
    did_you_mean,
    unknown,
)

__all__ = [
    "DataError",
    "GanpipeError",
    "GateRefused",
    "Interrupted",
    "TrainingDiverged",
    "UsageError",
    "did_you_mean",
    "unknown",
    "writing_to",
]


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns "no space", "read-only" and "not allowed" below `folder` into one clear message.

    Raises:
        DataError: for these three; every other OSError passes unchanged.
    """
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "no space is left on the disk",
            errno.EDQUOT: "the disk quota is used up",
            errno.EFBIG: "a file would grow past the limit set for this process",
            errno.EROFS: "the file system is read-only",
            errno.EACCES: "permission denied",
            errno.EPERM: "permission denied",
            errno.EEXIST: "a part of the path is a file, not a folder",
            errno.ENOTDIR: "a part of the path is a file, not a folder",
        }
        if error.errno not in reasons:
            raise
        place = error.filename or folder
        raise DataError(f"cannot write to {str(place)!r}: {reasons[error.errno]}.") from error
