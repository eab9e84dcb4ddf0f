"""An input file with the size and time it had when the source was opened."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import DataError
from pipeline.sources.digests import digests_of


@dataclass(frozen=True)
class InputFile:
    """A file that must stay as it was while it is read.

    Attributes:
        path: where it is.
        size: bytes.
        mtime_ns: time of its last change, in nanoseconds.
    """

    path: Path
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> InputFile:
        """Looks at the file.

        Raises:
            DataError: it is missing, not a file, or may not be read.
        """
        try:
            if not path.is_file():
                what = "is not a file" if path.exists() else "does not exist"
                raise DataError(f"{str(path)!r} {what}.")
            stat = path.stat()
            with path.open("rb"):
                pass
        except OSError as error:
            raise DataError(f"cannot read {str(path)!r}: {error.strerror}.") from None
        return cls(path, stat.st_size, stat.st_mtime_ns)

    def open(self) -> BinaryIO:
        """Opens the file for reading.

        Raises:
            DataError: it is gone, or it is not the file that was looked at.
        """
        try:
            file = self.path.open("rb")
            stat = self.path.stat()
        except OSError as error:
            raise DataError(f"cannot read {str(self.path)!r}: {error.strerror}.") from None
        if (stat.st_size, stat.st_mtime_ns) != (self.size, self.mtime_ns):
            file.close()
            raise DataError(f"{str(self.path)!r} changed while it was being read. Run again.")
        return file

    def sha256(self) -> str:
        """Returns the hex digest of the file's bytes.

        Raises:
            DataError: it cannot be read, or it is not the file that was looked at.
        """
        return _sha256_of([self])[0]


def digest_of_files(files: Sequence[InputFile]) -> str:
    """Returns a hex digest of the names and bytes of some files, in the order given.

    Raises:
        DataError: as `InputFile.sha256`.
    """
    digest = hashlib.sha256()
    for file, content in zip(files, _sha256_of(files), strict=True):
        digest.update(f"{file.path.name}\0{content}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _sha256_of(files: Sequence[InputFile]) -> list[str]:
    found = []
    for file, digest in zip(files, digests_of([file.path for file in files]), strict=True):
        if isinstance(digest, OSError):
            raise DataError(f"cannot read {str(file.path)!r}: {digest.strerror}.")
        # says so where it is another file by now
        file.open().close()
        found.append(digest)
    return found
