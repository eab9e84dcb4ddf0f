"""The label files of an image folder: which image has which label, and what else they say of it.

    path,label              {"filepath": "cats/1.png", "target": "cat", "camera": "north"}
    cats/1.png,cat
    9.jpg,dog

CSV, TSV, JSON lines and Parquet (`pipeline.sources.csv_rows`, `record_rows`), with columns of the usual
names or those that are named (`label_columns`), and paths in the forms that people have (`written_paths`). A
row with an empty label says that the image has none, and so does no row. All mistakes of a file are said at
once.

A file is read row by row. What is kept does not grow with it: of each image of the folder its label's number,
the line it stands in and a byte for each further column, and of mistakes their number and the first five.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.errors import DataError, did_you_mean
from pipeline.remote.urls import Url
from pipeline.sources.complaints import Complaints
from pipeline.sources.csv_rows import LONGEST_LINE, Row, check_encoding, csv_rows
from pipeline.sources.files import InputFile
from pipeline.sources.further_columns import FurtherColumns
from pipeline.sources.label_columns import WANTED, Chosen, are_numbers, choose_columns
from pipeline.sources.label_paths import LINES, PARQUET
from pipeline.sources.near_paths import NearPaths
from pipeline.sources.record_rows import check_no_coco, json_rows, looks_like_json, parquet_rows
from pipeline.sources.source import MAX_CLASSES
from pipeline.sources.written_paths import OUTSIDE, SEVERAL, WrittenPaths

_NO_ROW = -1


@dataclass(frozen=True)
class LabelTable:
    """What label files say.

    Attributes:
        labels: path of each image that has a row to its label, "" where the row has none.
        images: paths of all images, by number.
        further: their values in further columns.
        digest: of the files' bytes, and of which columns were read.
    """

    labels: dict[str, str]
    images: Sequence[str]
    further: FurtherColumns
    digest: str


def together(tables: Sequence[LabelTable]) -> tuple[FurtherColumns, Sequence[str]] | None:
    """The further columns of several tables of the same images as one; None where there is no table."""
    if not tables:
        return None
    whole = FurtherColumns(len(tables[0].images))
    for table in tables:
        names = table.further.names
        whole.left_out |= table.further.left_out
        whole.begin(names)
        for number, (_, values) in enumerate(table.further.rows(table.images)):
            for name, value in zip(names, values, strict=True):
                whole.put(name, number, value)
    return whole, tables[0].images


class _Found:
    """Of each image, by its number: label, file and line; what is wrong with the file under way."""

    def __init__(self, paths: WrittenPaths, further: FurtherColumns) -> None:
        count = len(paths.images)
        self.paths, self.further = paths, further
        self.near = NearPaths(paths.images)
        self.names: dict[str, int] = {}
        self.label = array("i", [_NO_ROW]) * count
        self.line = array("q", [0]) * count
        self.file = array("i", [0]) * count
        self.seen_in: list[Path | Url] = []
        self.unlisted: Counter[str] = Counter()


def read_label_files(
    files: Sequence[InputFile],
    *,
    images: Collection[str],
    root: Path | Url | None = None,
    classes: Sequence[str] = (),
    columns: str | None = None,
) -> LabelTable:
    """Reads the label of each image, and its values in further columns.

    Args:
        files: the label files; together they are one.
        images: paths of the image folder's files.
        root: the image folder, for paths that do not begin in it.
        classes: the only labels allowed; empty: all are.
        columns: names of the columns of paths and of labels, or their numbers from 1 where there is no
            header, with a comma between them; None: as they are found.

    Raises:
        DataError: no header with both columns, a row too short or too long, a path twice, out of the folder,
            of no image or of several, a label that is none of `classes`, bad quotes, or text that is not
            UTF-8. The message holds all of these, with the number and the first five of each.
    """
    paths = WrittenPaths(sorted(images), root)
    found = _Found(paths, FurtherColumns(len(paths.images)))
    said = []
    digest = hashlib.sha256()
    for file in files:
        wrong = Complaints()
        found.seen_in.append(file.path)
        found.unlisted.clear()
        chosen = _read_one(file, found, wrong, columns, frozenset(classes))
        if chosen:
            digest.update(f"{file.sha256()} {chosen.path} {chosen.label}\n".encode())
        for label, count in found.unlisted.most_common():
            about = f"{label!r} in {count:,} row(s){_in_brackets(did_you_mean(label, classes))}"
            wrong.add("labels that are none of --classes", about)
        if wrong:
            said.append(f"the label file {str(file.path)!r} is not as it must be.\n{wrong}")
    if said:
        raise DataError(
            "\n".join(said[:5]) + (f"\nand {len(said) - 5:,} more files" if len(said) > 5 else "")
        )
    names = list(found.names)
    labels = {
        path: names[label] for path, label in zip(paths.images, found.label, strict=True) if label != _NO_ROW
    }
    return LabelTable(labels, paths.images, found.further, digest.hexdigest())


def _read_one(
    file: InputFile, found: _Found, wrong: Complaints, columns: str | None, classes: frozenset[str]
) -> Chosen | None:
    with closing(_rows(file, wrong, columns)) as rows:
        first = next(rows, None) if not are_numbers(columns) else None
        header = first[1] if first else []
        chosen = choose_columns(header, columns)
        if isinstance(chosen, str):
            wrong.add(f"no {WANTED.removeprefix('a ')}", chosen)
            # for what is wrong with their quotes
            for _ in rows:
                pass
            return None
        _take(rows, chosen, len(header) or None, found, wrong, classes)
        return chosen


def _rows(file: InputFile, wrong: Complaints, columns: str | None) -> Generator[Row, None, None]:
    ending = file.path.suffix.lower()
    with file.open() as raw:
        if ending in PARQUET:
            yield from parquet_rows(file.path, raw, wrong)
            return
        begin = raw.read(64)
        raw.seek(0)
        check_encoding(begin, str(file.path))
        if begin.startswith(b"PAR1"):
            yield from parquet_rows(file.path, raw, wrong)
        elif ending in LINES or looks_like_json(file.path, begin):
            check_no_coco(file.path, raw)
            yield from json_rows(raw, wrong)
        else:
            yield from csv_rows(raw, wrong, lambda cells: _fits(cells, columns))


def _fits(cells: Sequence[str], columns: str | None) -> bool:
    chosen = choose_columns(cells, columns)
    return not isinstance(chosen, str) and max(chosen.path, chosen.label) < len(cells)


def _take(
    rows: Iterator[Row],
    chosen: Chosen,
    width: int | None,
    found: _Found,
    wrong: Complaints,
    classes: frozenset[str],
) -> None:
    path_place, label_place = chosen.path, chosen.label
    least = max(path_place, label_place) + 1
    kept = [(name, chosen.further[name]) for name in found.further.begin(list(chosen.further))]
    here, number_of, label_file = len(found.seen_in) - 1, found.paths.number_of, found.seen_in[-1]
    for line, row in rows:
        odd = len(row) < least or (width is not None and len(row) > width)
        if odd and not _is_whole(row, line, least, width, wrong):
            continue
        written, label = row[path_place].strip(), row[label_place].strip()
        number = number_of.get(written)
        if number is None:
            number = found.paths.find(written, label_file)
            if number < 0:
                _complain(number, written, line, found, wrong)
                continue
        before = found.label[number]
        if before != _NO_ROW:
            _twice(number, label, line, found, wrong)
            continue
        code = found.names.get(label)
        if code is None:
            if len(found.names) > MAX_CLASSES:
                wrong.add(
                    f"labels beyond the first {MAX_CLASSES:,} (is it the column of labels?)", f"line {line}"
                )
                continue
            code = found.names[label] = len(found.names)
        found.label[number], found.line[number], found.file[number] = code, line, here
        if label and classes and label not in classes:
            found.unlisted[label] += 1
        for name, place in kept:
            if place < len(row):
                found.further.put(name, number, row[place].strip())


def _is_whole(row: list[str], line: int, least: int, width: int | None, wrong: Complaints) -> bool:
    """Tells whether a row of another length than the header's can be read; says why not."""
    if not any(cell.strip() for cell in row):
        return False
    if len(row) < least:
        wrong.add("rows with too few columns", f"line {line}: {','.join(row)[:80]}")
        return False
    if width is not None and any(cell.strip() for cell in row[width:]):
        wrong.add(
            "rows with more columns than the header (a comma within a name wants quotes around it)",
            f"line {line}: {','.join(row)[:80]}",
        )
        return False
    return True


def _complain(kind: int, written: str, line: int, found: _Found, wrong: Complaints) -> None:
    if kind == OUTSIDE:
        wrong.add(
            "paths that are not relative to the image folder and in it", f"line {line}: {written[:200]!r}"
        )
    elif kind == SEVERAL:
        wrong.add(
            "names that several images of the folder have (write their folders too)",
            f"line {line}: {written[:200]!r}",
        )
    else:
        wrong.add("paths of no image in the folder", partial(_unknown_path, written, line, found.near))


def _twice(number: int, label: str, line: int, found: _Found, wrong: Complaints) -> None:
    same = found.names.get(label) == found.label[number]
    before, here = found.seen_in[found.file[number]], found.seen_in[-1]
    where = "" if before == here else f" of {before.name!r}"
    wrong.add(
        "paths that stand there twice, with " + ("the same label" if same else "different labels"),
        f"line {line}: {found.paths.images[number]!r}, also in line {found.line[number]}{where}",
    )


def _unknown_path(path: str, line: int, near: NearPaths) -> str:
    return f"line {line}: {path[:200]!r}{_in_brackets(near.did_you_mean(path[: LONGEST_LINE // 1024]))}"


def _in_brackets(hint: str) -> str:
    """The question of `did_you_mean` in the middle of a sentence."""
    return f" (d{hint[2:]})" if hint else ""
