"""Shipping: a version into the folder that servers watch, whole before it has a number, and back again.

    push(version, Path("/models/digits"), keep=3)      # /models/digits/8
    roll_back(Path("/models/digits"))                  # servers take 7 again

A server loads a folder as soon as its name is a number. So a version is copied beside the others under
another name, brought to the disk, and renamed. A number never stands for two contents: one that was taken
back keeps it, behind a name that servers pass over.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DataError, UsageError, writing_to
from pipeline.exported.layout import MADE_FROM_FILE, MAX_VERSION, find_versions, is_saved_model
from ssgan_tf.whole_files import sync, sync_tree

LOCK = ".push.lock"
PARTIAL, TAKEN_BACK, GOING = ".partial", ".rolled-back", ".going"
_ANY_NUMBER = re.compile(r"\.?(\d+)(?:\.[a-z-]+)?", re.ASCII)


def push(
    version: Path, folder: Path, *, keep: int | None = None, add: Callable[[Path], None] | None = None
) -> tuple[int, bool]:
    """Copies an exported version into a folder of served versions, under the next free number.

    Args:
        version: the exported version.
        folder: that of the served model; made where there is none.
        keep: versions that stay, the highest; None: all.
        add: writes into the copy what is to go with it.

    Returns:
        Its number, and whether it is new: the newest version of the same content stays what it is.

    Raises:
        UsageError: the folder holds something else than versions, or the largest number that there is.
        DataError: it cannot be written to, or another push is under way.
    """
    check_target(folder)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            _sweep(folder)
            there = find_versions(folder)
            newest = max(there, default=0)
            if newest and _content(there[newest]) == _content(version) is not None:
                return newest, False
            number = 1 + max(_numbers(folder), default=0)
            if number > MAX_VERSION:
                raise UsageError(f"{str(folder)!r} holds version {newest}, after which servers know none.")
            partial = folder / f".{number}{PARTIAL}"
            try:
                shutil.copytree(version, partial)
                if add is not None:
                    add(partial)
                sync_tree(partial)
                partial.rename(folder / str(number))
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            sync(folder)
            if keep is not None:
                for old in sorted(find_versions(folder))[:-keep]:
                    _remove(find_versions(folder)[old])
    return number, True


def roll_back(folder: Path) -> tuple[int, int]:
    """Takes the newest version back: servers that watch the folder take the one before it.

    Returns:
        The number that was taken back, and that which is the newest now.

    Raises:
        UsageError: there are no versions, or one only, or none that is a model to go back to; or a version of
            this number was taken back before.
        DataError: the folder cannot be written to, or a push is under way.
    """
    if not folder.is_dir():
        raise UsageError(f"no such model folder: {str(folder)!r}.")
    with writing_to(folder), _alone(folder):
        there = sorted(find_versions(folder))
        if len(there) < 2:
            have = f"version {there[0]} alone" if there else "no version"
            raise UsageError(f"{str(folder)!r} holds {have}: there is none to go back to.")
        path, before = find_versions(folder)[there[-1]], find_versions(folder)[there[-2]]
        if not is_saved_model(before):
            raise UsageError(f"{str(before)!r} holds no SavedModel, so servers could not go back to it.")
        aside = folder / f"{there[-1]}{TAKEN_BACK}"
        if os.path.lexists(aside):
            raise UsageError(f"a version {there[-1]} was taken back before; remove {str(aside)!r} first.")
        path.rename(aside)
        sync(folder)
    return there[-1], there[-2]


def check_target(folder: Path) -> None:
    """Checks that a folder may become one of served versions.

    Raises:
        UsageError: as `check_versions`.
    """
    check_versions(folder, "--push")


def check_versions(folder: Path, option: str) -> None:
    """Checks that a folder is absent, empty, or one of versions.

    Args:
        folder: what was given.
        option: the option that it was given to.

    Raises:
        UsageError: it is a file, a version itself, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{option} wants a folder; {str(folder)!r} is a file.")
    if not folder.is_dir():
        return
    if is_saved_model(folder):
        raise UsageError(
            f"{str(folder)!r} is a version itself; {option} wants the folder above it: "
            f"{str(folder.parent)!r}."
        )
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise UsageError(f"{option}: {str(folder)!r} cannot be listed: {error.strerror}.") from None
    others = sorted(name for name in names if not (name.startswith(".") or _ANY_NUMBER.fullmatch(name)))
    if others:
        raise UsageError(
            f"{str(folder)!r} holds {others[0]!r}, which is no version of a model. Give {option} a folder of "
            "its own, one for each model."
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, which goes with the process, however that ends."""
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another push to {str(folder)!r} is under way; wait for it.") from None
        yield


def _sweep(folder: Path) -> None:
    """Removes what killed pushes left: copies without a number, and old versions on their way out."""
    for path in folder.glob(".*"):
        if path.name.endswith((PARTIAL, GOING)):
            _delete(path)


def _remove(version: Path) -> None:
    """Takes the number away first: a server must not find a version that is half gone."""
    going = version.with_name(f".{version.name}{GOING}")
    version.replace(going)
    _delete(going)


def _delete(path: Path) -> None:
    # of a link the link alone: what it leads to is somebody else's
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _numbers(folder: Path) -> list[int]:
    found = (_ANY_NUMBER.fullmatch(path.name) for path in folder.iterdir())
    numbers = (int(match[1]) for match in found if match)
    # servers pass over those beyond
    return [number for number in numbers if number <= MAX_VERSION]


def _content(version: Path) -> str | None:
    try:
        return str(json.loads((version / MADE_FROM_FILE).read_text())["fingerprint"]) or None
    except (OSError, ValueError, KeyError, TypeError):
        return None
