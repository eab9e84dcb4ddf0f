"""Rows of label files that are no plain text: JSON lines and Parquet, read a piece at a time.

Both give the names of their columns first and then rows of texts, as a CSV file does. A file of COCO
annotations is told, and refused with what to do: its images hold boxes of several categories.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import DataError
from pipeline.remote.urls import Url
from pipeline.sources.complaints import Complaints
from pipeline.sources.csv_rows import LONGEST_LINE, Row

BATCH = 16_384
# a JSON file's first bytes, in which COCO's keys are looked for
_BEGINNING = 1 << 16
_COCO = ('"annotations"', '"categories"', '"images"', '"bbox"')
_OBJECTS = "lines that are no JSON object"
_VALUES = "values that are neither text nor number"


def looks_like_json(path: Path | Url, begin: bytes) -> bool:
    """Whether a file that is not called .jsonl holds JSON all the same."""
    return path.suffix.lower() == ".json" or begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b'{"', b"{\n"))


def check_no_coco(path: Path | Url, raw: BinaryIO) -> None:
    """Refuses a JSON file that is one document instead of an object a line.

    Raises:
        DataError: it is; of COCO's annotations, what to do.
    """
    text = raw.read(_BEGINNING).decode(errors="replace").lstrip("\ufeff \t\r\n")
    raw.seek(0)
    if sum(key in text for key in _COCO) >= 2 and text.startswith("{"):
        raise DataError(
            f"the label file {str(path)!r} holds COCO annotations: boxes, of which an image may have several "
            "of several categories. A classifier wants one label an image. Write a file path,label with "
            "images[].file_name and the name of the one category that each image is to have (or cut the "
            "boxes out and save each as an image of its own)."
        )
    first = text.partition("\n")[0].strip()
    try:
        whole = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        # the first line may be longer than what was read
        whole = first.startswith("{") and len(first) > _BEGINNING // 2
    if not whole:
        raise DataError(
            f"the label file {str(path)!r} is JSON, but not an object a line, such as "
            '{"path": "a.png", "label": "cat"}. Write it in that form (.jsonl), or as CSV.'
        )


def json_rows(raw: BinaryIO, wrong: Complaints) -> Iterator[Row]:
    """Yields the names of the first object's keys, then for each line its number and the values of these
    keys.

    Args:
        raw: the file.
        wrong: takes lines that are no JSON object, and values that are objects or lists.
    """
    names: list[str] = []
    number = 0
    while line := raw.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            wrong.add(_OBJECTS, f"line {number}: longer than {LONGEST_LINE >> 20} MiB")
            while (rest := raw.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            continue
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if not text:
            continue
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            wrong.add(_OBJECTS, f"line {number}: {str(error)[:80]}")
            continue
        if not isinstance(found, dict):
            wrong.add(_OBJECTS, f"line {number}: {text[:40].decode(errors='replace')!r}")
            continue
        if not names:
            names = list(found)
            yield number, names
        yield number, _texts([found.get(name) for name in names], number, wrong)


def parquet_rows(path: Path | Url, raw: BinaryIO, wrong: Complaints) -> Iterator[Row]:
    """Yields the names of a Parquet file's columns, then for each row its number and its cells.

    Args:
        path: the file.
        raw: it, opened.
        wrong: takes values that are neither text nor number.

    Raises:
        DataError: it is no Parquet file, or damaged.
    """
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        # one on a disk is not read into memory
        where = {"source": path, "memory_map": True} if isinstance(path, Path) else {"source": raw}
        with parquet.ParquetFile(**where) as file:
            schema = file.schema_arrow
            names = [
                field.name
                for field in schema
                if not pyarrow.types.is_nested(field.type) and not _is_bytes(field.type)
            ]
            yield 0, names
            for batch in file.iter_batches(BATCH, columns=names):
                columns = [column.to_pylist() for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield number, _texts(cells, number, wrong)
    except (pyarrow.ArrowException, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"the label file {str(path)!r} cannot be read as Parquet: {said[:200]}.") from None


def _is_bytes(kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)


def _texts(values: Sequence[Any], number: int, wrong: Complaints) -> list[str]:
    texts = []
    for value in values:
        if isinstance(value, str):
            texts.append(value)
        elif value is None or (isinstance(value, float) and math.isnan(value)):
            texts.append("")
        elif isinstance(value, bool):
            texts.append("true" if value else "false")
        elif isinstance(value, float) and value.is_integer():
            texts.append(str(int(value)))
        elif isinstance(value, dict | list):
            wrong.add(_VALUES, f"row {number}: {str(value)[:40]}")
            texts.append("")
        else:
            texts.append(str(value))
    return texts
