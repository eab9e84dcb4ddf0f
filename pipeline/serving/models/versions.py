"""What lies in a model folder: version folders, and whether one has changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pipeline.errors import DataError, UsageError
from pipeline.serving.settings import MAX_VERSION

_NUMBER = re.compile(r"\d+", re.ASCII)
GRAPH_FILES = ("saved_model.pb", "saved_model.pbtxt")

Identity = tuple[tuple[str, int, int, int], ...]


def find_versions(folder: Path) -> dict[int, Path]:
    """Returns the version folders below a model folder, by number.

    Names that are no numbers are passed over: an export under way has such a name until it is whole.

    Raises:
        OSError: the folder cannot be listed.
    """
    found: dict[int, Path] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if _NUMBER.fullmatch(entry.name) and int(entry.name) <= MAX_VERSION and entry.is_dir():
                version = int(entry.name)
                # of 1 and 001 the plain one, whatever the listing's order
                if version not in found or entry.name == str(version):
                    found[version] = Path(entry.path)
    return found


def identity(folder: Path) -> Identity:
    """Returns what changes when a version's files are replaced: names, inodes, sizes and times."""
    marks = []
    for path in (folder, *(folder / name for name in GRAPH_FILES), folder / "variables"):
        try:
            stat = path.stat()
        except OSError:
            continue
        marks.append((path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    variables = folder / "variables"
    if variables.is_dir():
        with os.scandir(variables) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                stat = entry.stat()
                marks.append((entry.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(marks)


def check_folder(folder: Path) -> None:
    """Checks, before a server starts, that a folder holds versions of a model.

    Raises:
        UsageError: it is missing, is itself a version, or holds none.
    """
    if not folder.is_dir():
        raise UsageError(f"no such model folder: {str(folder)!r}.")
    if any((folder / name).is_file() for name in GRAPH_FILES):
        if folder.name.isdecimal():
            raise UsageError(
                f"{str(folder)!r} is one version of a model; give the folder above it: "
                f"{str(folder.parent)!r}."
            )
        raise UsageError(
            f"{str(folder)!r} is a SavedModel without a version; put it into a folder named by a number, "
            f"such as {str(folder / '1')!r}."
        )
    try:
        found = find_versions(folder)
    except OSError as error:
        raise DataError(f"cannot read the model folder {str(folder)!r}: {error.strerror}.") from None
    if not found:
        raise UsageError(
            f"{str(folder)!r} holds no version of a model (a folder named by a number, such as 1). "
            "`ganpipe export` writes one."
        )
