"""Finds the image files of a folder, in a fixed order, without leaving it."""

from __future__ import annotations

import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError
from pipeline.images.formats import SUFFIXES

MAX_FILE_BYTES = 256 << 20


@dataclass(frozen=True)
class ImageFile:
    """An image file, or something that has an image's name but cannot be read.

    Attributes:
        path: relative to the folder, with "/" between its parts.
        problem: why it cannot be read, else None.
    """

    path: str
    problem: str | None = None


def list_images(root: Path) -> list[ImageFile]:
    """Lists the files below `root` whose names end like an image's, sorted by path.

    Names that begin with a dot are passed over. Symbolic links to folders are not followed, those to
    files only if the file lies below `root` too.

    Raises:
        DataError: the folder or one below it does not exist or may not be read.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist: no such folder"
        raise DataError(f"{str(root)!r} {what}.")
    found: list[ImageFile] = []
    real_root = os.path.realpath(root)
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(root / below) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    path = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif entry.is_symlink() and entry.is_dir():
                        found.append(ImageFile(_shown(path), problem="a symbolic link to a folder"))
                    elif entry.name.lower().endswith(SUFFIXES):
                        found.append(_look(entry, path, real_root))
        except OSError as error:
            raise DataError(f"cannot read the folder {str(root / below)!r}: {error.strerror}.") from None
    return sorted(found, key=lambda file: file.path)


def _look(entry: os.DirEntry[str], path: str, real_root: str) -> ImageFile:
    if path != _shown(path):
        return ImageFile(_shown(path), problem="the name is not text of one line in UTF-8")
    if entry.is_symlink() and not inside(entry.path, real_root):
        return ImageFile(path, problem="a symbolic link that leaves the folder or leads nowhere")
    try:
        status = entry.stat()
    except OSError as error:
        return ImageFile(path, problem=f"cannot be read: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return ImageFile(path, problem="not a regular file")
    if status.st_size > MAX_FILE_BYTES:
        return ImageFile(path, problem=f"larger than {MAX_FILE_BYTES >> 20} MiB")
    return ImageFile(path)


def inside(path: str | Path, real_root: str) -> bool:
    """Tells whether `path`, with links followed, is a place that exists below `real_root`."""
    real = os.path.realpath(path)
    return real.startswith(real_root.rstrip(os.sep) + os.sep) and Path(real).exists()


def _shown(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        path = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    # control characters and ends of line, which would break files with one key a line
    breaking = ("Cc", "Zl", "Zp")
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in breaking else c for c in path
    )
