"""What a user can do about an image folder without labels, with names of files that are there."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path

from pipeline.remote.urls import Url


def ways_to_label(root: Path | Url, paths: Sequence[str], tables: Sequence[str] = ()) -> list[str]:
    """How the images of a folder get labels, each way with the lines to write or type.

    Args:
        root: the folder.
        paths: of its images, relative to it; the first and the last serve as examples.
        tables: files in it that may be label files.
    """
    examples = list(zip(dict.fromkeys((paths[0], paths[-1])), ("cat", "dog"), strict=False))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "label"), *examples])
    rows = "".join(f"      {line}\n" for line in text.getvalue().splitlines())
    moves = [(shlex.quote(str(root / path)), shlex.quote(str(root / name))) for path, name in examples]
    commands = "".join(f"      mkdir -p {folder} && mv {path} {folder}/\n" for path, folder in moves)
    there = [
        f"If {table!r} says the labels, name it: --labels {shlex.quote(str(root / table))} (with "
        "--label-columns PATH,LABEL where its columns have other names)."
        for table in tables[:3]
    ]
    folders = (
        f"Or put the images of each class into a folder of their own ({root / 'cat'}/...);"
        if isinstance(root, Url)
        else f"Or make a folder for each class:\n{commands} "
    )
    return [
        *there,
        f"Write a label file, say labels.csv, and add --labels labels.csv:\n{rows}"
        "  with a row for each image whose class you know; the others count as unlabelled.",
        f"{folders} an image that stays where it is counts as unlabelled.",
    ]
