"""The label file of an image folder: a CSV with the columns path and label.

    path,label
    cats/1.png,cat
    9.jpg,dog

Paths are relative to the image folder, with "/" between their parts. A row with an empty label says
that the image has none, and so does no row. The columns may come in any order, with others beside them,
which are left alone. All mistakes of a file are said at once.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath

from pipeline.errors import DataError, did_you_mean
from pipeline.sources.complaints import Complaints
from pipeline.sources.files import InputFile
from pipeline.sources.near_paths import NearPaths

COLUMNS = ("path", "label")


def read_label_file(
    file: InputFile, *, images: Collection[str], classes: Sequence[str] = ()
) -> dict[str, str]:
    """Reads the label of each path.

    Args:
        file: the label file.
        images: paths of the image folder's files.
        classes: the only labels allowed; empty: all are.

    Returns:
        relative path to label; the label is "" where the row has none.

    Raises:
        DataError: no header with both columns once, a row too short or too long, a path twice, out of the
            folder or of no image, a label that is none of `classes`, bad quotes, or text that is not UTF-8.
            The message holds all of these, with the number and the first five of each.
    """
    wrong = Complaints()
    with file.open() as raw:
        text = _text(raw.read(), wrong, file)
    rows = _rows(list(io.StringIO(text, newline="")), wrong)
    written = [name.strip() for name in next(rows, (1, []))[1]]
    header = [name.lower() for name in written]
    labels: dict[str, str] = {}
    if all(header.count(column) == 1 for column in COLUMNS):
        labels = _labels(rows, header, wrong, images)
        _check_labels(labels, classes, wrong)
    else:
        wrong.add(
            "no header with the columns path and label, each once, in any order and with others beside them",
            _about_header(header, ",".join(written)),
        )
        # for what is wrong with their quotes
        for _ in rows:
            pass
    if wrong:
        raise DataError(f"the label file {str(file.path)!r} is not as it must be.\n{wrong}")
    return labels


def _text(content: bytes, wrong: Complaints, file: InputFile) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"the label file {str(file.path)!r} is UTF-16 text; save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        for number, line in enumerate(content.split(b"\n"), 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                kind = "lines that are not UTF-8 text (save the file as UTF-8)"
                wrong.add(kind, f"line {number}, byte {error.start + 1}")
        return content.decode("utf-8-sig", errors="surrogateescape")


def _rows(lines: Sequence[str], wrong: Complaints) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of the line in which a row begins, and its cells; not rows with bad quotes."""
    kind = "rows with quotes that are not as they must be"
    start = 0
    while start < len(lines):
        reader = csv.reader(lines[start:], strict=True)
        begun = start
        while True:
            try:
                row = next(reader, None)
                if row is None:
                    return
                yield begun + 1, row
            except csv.Error as error:
                if "unexpected end" in str(error):
                    # it took all that follows for its text; there is no other such quote in that text
                    wrong.add(kind, f"line {begun + 1}: a quote that is not closed")
                    start = begun + 1
                    break
                wrong.add(kind, f"line {begun + 1}: {error}")
            begun = start + reader.line_num


def _labels(
    rows: Iterator[tuple[int, list[str]]], header: Sequence[str], wrong: Complaints, images: Collection[str]
) -> dict[str, str]:
    path_column, label_column = header.index("path"), header.index("label")
    near, known = NearPaths(images), set(images)
    labels: dict[str, str] = {}
    lines: dict[str, int] = {}

    def complain(kind: str, line: int, about: str) -> None:
        wrong.add(kind, f"line {line}: {about}")

    for line, row in rows:
        if not any(cell.strip() for cell in row) or not all(_is_text(cell) for cell in row):
            continue
        if len(row) <= max(path_column, label_column):
            complain("rows with too few columns", line, ",".join(row)[:80])
            continue
        if any(cell.strip() for cell in row[len(header) :]):
            complain(
                "rows with more columns than the header (a comma within a name wants quotes around it)",
                line,
                ",".join(row)[:80],
            )
            continue
        written, label = row[path_column].strip(), row[label_column].strip()
        path = _relative(written)
        if path is None:
            complain("paths that are not relative to the image folder and in it", line, repr(written))
        elif path in labels:
            same = labels[path] == label
            kind = "paths that stand there twice, with " + ("the same label" if same else "different labels")
            complain(kind, line, f"{path!r}, also in line {lines[path]}")
        else:
            labels[path], lines[path] = label, line
            if path not in known:
                wrong.add(
                    "paths of no image in the folder",
                    partial(_unknown_path, path, line, near),
                )
    return labels


def _unknown_path(path: str, line: int, near: NearPaths) -> str:
    return f"line {line}: {path!r}{_in_brackets(near.did_you_mean(path))}"


def _check_labels(labels: dict[str, str], classes: Sequence[str], wrong: Complaints) -> None:
    if not classes:
        return
    counts = Counter(label for label in labels.values() if label and label not in classes)
    for label, count in counts.most_common():
        said = f"{label!r} in {count:,} row(s){_in_brackets(did_you_mean(label, classes))}"
        wrong.add("labels that are none of --classes", said)


def _relative(path: str) -> str | None:
    pure = PurePosixPath(path.replace("\\", "/") if "/" not in path else path)
    drive = len(path) > 1 and path[1] == ":" and path[2:3] in ("\\", "/")
    if not path or pure.is_absolute() or drive or ".." in pure.parts or str(pure) == ".":
        return None
    return str(pure)


def _about_header(header: Sequence[str], line: str) -> str:
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        return f"the first line names {' and '.join(twice)} more than once: {line[:80]!r}"
    said = f"the first line is {line[:80]!r}"
    for parting, name in ((";", "semicolons"), ("\t", "tabs")):
        if parting in line and all(column in line.lower() for column in COLUMNS):
            return f"{said}, parted by {name} instead of commas"
    missing = [name for name in COLUMNS if name not in header]
    others = [name for name in header if name not in COLUMNS]
    nearest = next((hint for name in others if (hint := did_you_mean(name, missing))), "")
    if nearest:
        return f"{said}{_in_brackets(nearest)}"
    what = " and ".join(missing)
    return f"{said}; name its columns {what}, or write a line {','.join(COLUMNS)} above it"


def _in_brackets(hint: str) -> str:
    """The question of `did_you_mean` in the middle of a sentence."""
    return f" (d{hint[2:]})" if hint else ""


def _is_text(cell: str) -> bool:
    """Whether it holds no byte that could not be decoded."""
    return not any("\ud800" <= character <= "\udfff" for character in cell)
