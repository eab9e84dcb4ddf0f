"""An input file, on a disk or behind a URL, with the size and time it had when the source was opened."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.errors import DataError
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.store import look_at, read
from pipeline.remote.urls import Url
from pipeline.sources.digests import digests_of

MOST_BYTES = 8 << 30
BLOCK = 8 << 20
# of what was copied in this process: what it was to its sha256
_copies: dict[RemoteFile, str] = {}


@dataclass(frozen=True)
class InputFile:
    """A file that must stay as it was while it is read.

    Attributes:
        path: where it is.
        size: bytes.
        mtime_ns: time of its last change, in nanoseconds; 0 behind a URL.
        remote: behind a URL, what it was when it was looked at.
    """

    path: Path | Url
    size: int
    mtime_ns: int
    remote: RemoteFile | None = None

    @classmethod
    def of(cls, path: Path | Url) -> InputFile:
        """Looks at the file.

        Raises:
            DataError: it is missing, not a file, may not be read, or is behind a URL and too large.
        """
        if isinstance(path, Url):
            return cls._behind(path)
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

    @classmethod
    def _behind(cls, url: Url) -> InputFile:
        try:
            remote = look_at(url)
        except FileNotFoundError:
            raise DataError(f"'{url}' does not exist.") from None
        if remote.size is None or remote.size > MOST_BYTES:
            size = "does not say its size" if remote.size is None else f"has {remote.size >> 20:,} MiB"
            raise DataError(
                f"'{url}' {size}; a file of at most {MOST_BYTES >> 30} GiB is read as a whole. Copy it here "
                "and name the copy."
            )
        return cls(url, remote.size, 0, remote)

    def open(self) -> BinaryIO:
        """Opens the file for reading; one behind a URL is copied into a nameless temporary file first.

        Raises:
            DataError: it is gone, or it is not the file that was looked at.
        """
        if isinstance(self.path, Url):
            return self._copied()
        try:
            file = self.path.open("rb")
            stat = self.path.stat()
        except OSError as error:
            raise DataError(f"cannot read {str(self.path)!r}: {error.strerror}.") from None
        if (stat.st_size, stat.st_mtime_ns) != (self.size, self.mtime_ns):
            file.close()
            raise DataError(f"{str(self.path)!r} changed while it was being read. Run again.")
        return file

    def _copied(self) -> BinaryIO:
        assert self.remote is not None
        file, digest = tempfile.TemporaryFile(), hashlib.sha256()  # noqa: SIM115 (the caller closes it)
        try:
            for start in range(0, self.size, BLOCK):
                block = read(self.remote, start, start + BLOCK)
                file.write(block)
                digest.update(block)
            if look_at(self.remote.url) != self.remote:
                raise FileNotFoundError
        except FileNotFoundError:
            file.close()
            raise DataError(f"'{self.path}' changed while it was being read. Run again.") from None
        except BaseException:
            file.close()
            raise
        file.seek(0)
        _copies[self.remote] = digest.hexdigest()
        return cast(BinaryIO, file)

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
    local = iter(digests_of([file.path for file in files if isinstance(file.path, Path)]))
    for file in files:
        if file.remote is not None:
            if file.remote not in _copies:
                file.open().close()
            found.append(_copies[file.remote])
            continue
        digest = next(local)
        if isinstance(digest, OSError):
            raise DataError(f"cannot read {str(file.path)!r}: {digest.strerror}.")
        # says so where it is another file by now
        file.open().close()
        found.append(digest)
    return found
