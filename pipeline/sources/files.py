"""An input file with the size and time it had when the source was opened."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import DataError


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
        """Returns the hex digest of the file's bytes."""
        with self.open() as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()


def digest_of_files(files: Sequence[InputFile]) -> str:
    """Returns a hex digest of the names and bytes of some files, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.path.name}\0{file.sha256()}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()
