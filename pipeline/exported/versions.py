"""The versions of an export, which lie beside each other: one that is there never changes.

    export/classifier/1/, 2/      each says in `MADE_FROM_FILE` what it was made from
    export/generator/1/, 2/

A new content takes the next number, which servers then take; the same content keeps its own.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.exported.layout import MADE_FROM_FILE, find_versions
from pipeline.workspace import CLASSIFIER, GENERATOR

KINDS = (CLASSIFIER, GENERATOR)


def contents_of(export: Path) -> dict[int, str | None]:
    """Returns for each version the digest of what it was made from, None where it does not say."""
    found: dict[int, str | None] = {}
    for kind in KINDS:
        for number, folder in _versions(export / kind).items():
            found[number] = found.get(number) or _made_from(folder)
    return dict(sorted(found.items()))


def write_made_from(version: Path, content: str) -> None:
    """Writes into a version the digest of what it was made from."""
    (version / MADE_FROM_FILE).write_text(json.dumps({"fingerprint": content}) + "\n")


def choose_version(there: Mapping[int, str | None], content: str, wanted: int | None = None) -> int:
    """Returns the number of a version: the one wanted, that of the newest if it is the same, or the next.

    Args:
        there: what `contents_of` says.
        content: digest of what it is made from.
        wanted: the number that was asked for.
    """
    if wanted is not None:
        return wanted
    newest = max(there, default=0)
    return newest if newest and there[newest] == content else newest + 1


def why_again(export: Path, content: str, wanted: int | None, keep: int | None) -> list[str]:
    """Says why an export of the same content would be made again.

    Raises:
        UsageError: the number that was asked for is that of a version with other content.
    """
    there = contents_of(export)
    if wanted in there and there[wanted] != content:
        raise UsageError(
            f"version {wanted} in {str(export)!r} is of another model or other settings, and a version does "
            f"not change. Leave out --version for the next number, {max(there) + 1}, or remove the version's "
            "folders first."
        )
    if wanted is not None and wanted not in there:
        return [f"version {wanted} is not there"]
    if keep is not None and len(there) > keep:
        return [f"{len(there)} versions are there, {keep} are to be kept"]
    return []


def carry_over(
    previous: Path, output: Path, *, new: int, keep: int | None, is_intact: Callable[[str], bool]
) -> tuple[list[int], list[str]]:
    """Links the versions of the export that is there into the one that takes its place.

    Args:
        previous: the export that is there.
        output: the one that is written.
        new: number of the version that is written, which is not carried over.
        keep: how many versions there are to be at most; None: all.
        is_intact: whether the files below a path of `previous` are as they were written.

    Returns:
        The numbers of all versions, and of those that are damaged and stay behind "KIND/NUMBER".
    """
    numbers = sorted(set(contents_of(previous)) - {new})
    kept = numbers if keep is None else numbers[len(numbers) - min(keep - 1, len(numbers)) :]
    damaged, carried = [], {new}
    for kind in KINDS:
        for number, folder in _versions(previous / kind).items():
            if number not in kept:
                continue
            if not is_intact(f"{kind}/{folder.name}/"):
                damaged.append(f"{kind}/{folder.name}")
                continue
            shutil.copytree(folder, output / kind / folder.name, copy_function=_link)
            carried.add(number)
    return sorted(carried), damaged


def _versions(folder: Path) -> dict[int, Path]:
    return find_versions(folder) if folder.is_dir() else {}


def _made_from(version: Path) -> str | None:
    try:
        return str(json.loads((version / MADE_FROM_FILE).read_text())["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    # a file system without links
    except OSError:
        shutil.copy2(source, target)
