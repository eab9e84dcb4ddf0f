"""Finds the image files of a folder, in a fixed order, without leaving it; and says what else lies there."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DataError
from pipeline.images.formats import SUFFIXES, UNSUPPORTED, advice
from pipeline.remote.remote_file import RemoteFile
from pipeline.sources.source import Aside
from pipeline.workspace import draws_among

MAX_FILE_BYTES = 256 << 20
SHOWN = 5
HIDDEN = "hidden"
_USUAL_ENDING = re.compile(r"\.[a-z][a-z0-9_-]{0,7}")
_SYSTEM = ("thumbs.db", "desktop.ini")


class ImageFile(NamedTuple):
    """An image file, or something that has an image's name but cannot be read.

    Attributes:
        path: relative to the folder, with "/" between its parts.
        problem: why it cannot be read, else None.
        remote: of a file behind a URL, what it was when it was listed.
    """

    path: str
    problem: str | None = None
    remote: RemoteFile | None = None


@dataclass
class Tree:
    """The files below a folder: each is in one of these.

    Attributes:
        images: those whose names end like an image's, sorted by path.
        unsupported: formats that are not read: kind to the paths, sorted.
        others: no images: the end of the name, or "hidden", to how many and the first of them.
        empty: the folders in which nothing lies, but for what is hidden.
    """

    images: list[ImageFile]
    unsupported: dict[str, list[str]]
    others: dict[str, Aside]
    empty: list[str] = field(default_factory=list)

    def aside(self) -> tuple[Aside, ...]:
        """What is no item of the source, those of formats that are not read first, then by number."""
        unsupported = [
            Aside(kind, advice(kind), len(paths), tuple(paths[:SHOWN]))
            for kind, paths in self.unsupported.items()
        ]
        groups = (unsupported, self.others.values())
        return tuple(row for rows in groups for row in sorted(rows, key=lambda row: (-row.count, row.kind)))


def list_tree(root: Path) -> Tree:
    """Looks at every file below `root`.

    Hidden files and folders, whose names begin with a dot, are counted only; the results in a working folder
    are passed over. Symbolic links to folders are not followed, those to files only if the file lies below
    `root` too.

    Raises:
        DataError: the folder or one below it does not exist or may not be read.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist: no such folder"
        raise DataError(f"{str(root)!r} {what}.")
    tree = Tree([], {}, {})
    real_root = os.path.realpath(root)
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(root / below) as scanned:
                entries = list(scanned)
                # the samples of a run in its own photo folder are none of the photos
                results = draws_among({entry.name for entry in entries})
                if below and all(entry.name.startswith(".") for entry in entries):
                    tree.empty.append(shown(below))
                for entry in entries:
                    if entry.name in results:
                        continue
                    path = f"{below}/{entry.name}" if below else entry.name
                    if entry.name.startswith("."):
                        _count_hidden(entry, path, tree.others)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif entry.is_symlink() and entry.is_dir():
                        tree.images.append(ImageFile(shown(path), problem="a symbolic link to a folder"))
                    elif entry.name.lower().endswith(SUFFIXES):
                        tree.images.append(_look(entry, path, real_root))
                    elif kind := UNSUPPORTED.get(ending_of(entry.name)):
                        tree.unsupported.setdefault(kind, []).append(shown(path))
                    else:
                        count_file(tree.others, kind_of(entry.name), path)
        except OSError as error:
            raise DataError(f"cannot read the folder {str(root / below)!r}: {error.strerror}.") from None
    tree.images.sort(key=lambda file: file.path)
    for paths in tree.unsupported.values():
        paths.sort()
    return tree


def ending_of(name: str) -> str:
    """The ending of a file's name, with its point, in lower case."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (a name in bytes that are no text)


def kind_of(name: str) -> str:
    """What a file that is no image is counted as."""
    if name.lower() in _SYSTEM:
        return "of the system"
    ending = ending_of(name)
    # dates, numbers and words behind a point are no kinds: there may be a million of them
    return (
        ending if _USUAL_ENDING.fullmatch(ending) else "of no known ending" if ending else "without an ending"
    )


def count_file(found: dict[str, Aside], kind: str, path: str) -> None:
    """Counts a file that is no image."""
    before = found.get(kind, Aside(kind, "", 0, ()))
    first = tuple(sorted((*before.first, shown(path)))[:SHOWN])
    found[kind] = Aside(kind, "", before.count + 1, first)


def _count_hidden(entry: os.DirEntry[str], path: str, found: dict[str, Aside]) -> None:
    if not entry.is_dir(follow_symlinks=False):
        count_file(found, HIDDEN, path)
        return
    # one that may not be read is passed over
    for folder, _, names in os.walk(entry.path):
        for name in names:
            count_file(found, HIDDEN, f"{path}{folder.removeprefix(entry.path)}/{name}")


def _look(entry: os.DirEntry[str], path: str, real_root: str) -> ImageFile:
    if path != shown(path):
        return ImageFile(shown(path), problem="the name is not text of one line in UTF-8")
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


def shown(path: str) -> str:
    """A path as text of one line in UTF-8: itself, unless it holds what breaks a list of one a line."""
    if path.isprintable():
        # neither of what follows is: most names are told at once
        return path
    try:
        path.encode()
    except UnicodeEncodeError:
        path = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    # control characters and ends of line, which would break files with one key a line
    breaking = ("Cc", "Zl", "Zp")
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in breaking else c for c in path
    )
