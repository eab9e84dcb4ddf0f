"""The label file of an image folder: a CSV with the columns path and label.

    path,label
    cats/1.png,cat
    9.jpg,dog

Paths are relative to the image folder, with "/" between their parts. A row with an empty label says
that the image has none. Other columns are left alone.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pipeline.errors import DataError, did_you_mean
from pipeline.sources.files import InputFile


def read_label_file(file: InputFile) -> dict[str, str]:
    """Reads the label of each path.

    Returns:
        relative path to label; the label is "" where the row has none.

    Raises:
        DataError: no header with both columns, a row that is too short, a path twice or out of the
            folder, or text that is not UTF-8.
    """
    place = repr(str(file.path))
    try:
        with file.open() as raw:
            text = raw.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"label file {place} is not UTF-8 text (byte {error.start}).") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    labels: dict[str, str] = {}
    lines: dict[str, int] = {}
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        if header.count("path") != 1 or header.count("label") != 1:
            raise DataError(
                f"label file {place} must begin with the header path,label; its first line is "
                f"{','.join(header)[:80]!r}."
            )
        path_column, label_column = header.index("path"), header.index("label")
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            line = rows.line_num
            if len(row) <= max(path_column, label_column):
                raise DataError(f"label file {place}, line {line}: it wants a path and a label; got {row!r}.")
            path = _relative(row[path_column].strip(), f"label file {place}, line {line}")
            if path in labels:
                raise DataError(f"label file {place}: {path!r} is in line {lines[path]} and in line {line}.")
            labels[path], lines[path] = row[label_column].strip(), line
    except csv.Error as error:
        raise DataError(f"label file {place}, line {rows.line_num}: {error}.") from None
    return labels


def _relative(path: str, place: str) -> str:
    pure = PurePosixPath(path.replace("\\", "/") if "/" not in path else path)
    if not path or pure.is_absolute() or ".." in pure.parts or str(pure) == ".":
        raise DataError(f"{place}: the path must be relative to the image folder and in it; got {path!r}.")
    return str(pure)


def check_paths(labels: Mapping[str, str], known: Mapping[str, object], *, file: InputFile) -> None:
    """Checks that every path of the label file is an image of the folder.

    Raises:
        DataError: names the first unknown path, how many there are, and the nearest known one.
    """
    wrong = [path for path in labels if path not in known]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        # comparing with every path of a large folder would take minutes
        near = did_you_mean(wrong[0], list(known)[:5000])
        raise DataError(
            f"label file {str(file.path)!r} names images that are not in the folder: "
            f"{wrong[0]!r}{more}.{near}"
        )


def ways_to_label(root: Path, paths: Sequence[str]) -> list[str]:
    """How the images of a folder get labels, each way with the lines to write or type.

    Args:
        root: the folder.
        paths: of its images, relative to it; the first and the last serve as examples.
    """
    examples = list(zip(dict.fromkeys((paths[0], paths[-1])), ("cat", "dog"), strict=False))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "label"), *examples])
    rows = "".join(f"      {line}\n" for line in text.getvalue().splitlines())
    moves = [(shlex.quote(str(root / path)), shlex.quote(str(root / name))) for path, name in examples]
    commands = "".join(f"      mkdir -p {folder} && mv {path} {folder}/\n" for path, folder in moves)
    return [
        f"Write a label file, say labels.csv, and add --labels labels.csv:\n{rows}"
        "  with a row for each image whose class you know; the others count as unlabelled.",
        f"Or make a folder for each class:\n{commands}"
        "  an image that stays where it is counts as unlabelled.",
    ]
