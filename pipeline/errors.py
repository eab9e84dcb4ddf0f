"""The errors of a run, the exit code of each, and the remedy that the command line knows for it.

except GanpipeError as error:
    print(f"error: {message(error)}")
    sys.exit(exit_code(error))
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssgan_tf.errors import (
    DamagedData,
    DataError,
    GanpipeError,
    NoLabels,
    TrainingDiverged,
    UsageError,
    WorkerLost,
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
    "WorkerLost",
    "bad_path",
    "did_you_mean",
    "exit_code",
    "message",
    "unknown",
    "writing_to",
]


class GateRefused(GanpipeError):
    """A check said no: nothing was published, or what there is may not be shipped."""


class Interrupted(GanpipeError):
    """A signal ended the run cleanly; running the same command again continues it."""


_EXIT_CODES: dict[type[BaseException], int] = {
    UsageError: 2,
    DataError: 3,
    TrainingDiverged: 4,
    GateRefused: 5,
    WorkerLost: 6,
    Interrupted: 130,
}

_REMEDIES: dict[type[BaseException], str] = {
    DamagedData: "Run `ganpipe preprocess` again.",
    NoLabels: "Give labels (--labels-per-class, --labeled-rate or --labels).",
}


def exit_code(error: BaseException) -> int:
    """What the process ends with: the code of the error's class or of its nearest base; 1 for any other."""
    return next((_EXIT_CODES[kind] for kind in type(error).__mro__ if kind in _EXIT_CODES), 1)


def message(error: BaseException) -> str:
    """The error's text, with what to do about it where its class tells."""
    remedy = next((_REMEDIES[kind] for kind in type(error).__mro__ if kind in _REMEDIES), "")
    return f"{error} {remedy}".rstrip()


def bad_path(error: OSError) -> str | None:
    """Says what is wrong with a path that no file can have; None for every other error.

    It may come from any first look at a path: of all reasons that a user's path has, only this one makes
    looking an error.
    """
    if error.errno != errno.ENAMETOOLONG:
        return None
    path = str(error.filename)
    shown = repr(path) if len(path) <= 80 else f"{path[:80]!r}..."
    return f"a name in the path {shown} is longer than a file's can be ({len(path)} characters in all)."


# NumPy says only this of a disk that is full
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns "no space", "read-only" and "not allowed" below `folder` into one clear message.

    Raises:
        DataError: for these three; every other error passes unchanged.
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
            errno.ELOOP: "its symbolic links lead in a circle",
        }
        number = error.errno
        if number is None and _SHORT_WRITE.fullmatch(str(error)):
            number = errno.ENOSPC
        if number not in reasons:
            raise
        place = error.filename or folder
        raise DataError(f"cannot write to {str(place)!r}: {reasons[number]}.") from error
    except Exception as error:
        # TensorFlow's writers have errors of their own, which hold the system's words
        words = (os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS))
        said = next((word for word in words if word in str(error)), None)
        if said is None or not type(error).__module__.startswith("tensorflow."):
            raise
        raise DataError(f"cannot write to {str(folder)!r}: {said.lower()}.") from error
