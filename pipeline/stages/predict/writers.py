"""Writers of prediction rows: CSV, JSON lines and Parquet, streamed to a file or standard output.

    with open_writer("csv", Path("answers.csv"), columns) as write:
        write(rows)

A file is written beside its place and renamed when all is written.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pipeline.errors import DataError, UsageError, did_you_mean, writing_to
from pipeline.stages.predict.rows import Row

Write = Callable[[Sequence[Row]], None]
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def choose_format(wanted: str | None, output: Path | None) -> str:
    """Returns "csv", "jsonl" or "parquet": as wanted, else by the output's name, else csv.

    Raises:
        UsageError: the name has no known ending, or Parquet is to go to standard output or needs a
            package that is not installed.
    """
    chosen = wanted or "csv"
    if wanted is None and output is not None:
        if output.suffix.lower() not in _SUFFIXES:
            near = did_you_mean(output.suffix, _SUFFIXES)
            raise UsageError(
                f"the format of {str(output)!r} is unknown.{near} Name it {', '.join(_SUFFIXES)}, or give "
                "--format."
            )
        chosen = _SUFFIXES[output.suffix.lower()]
    if chosen == "parquet":
        if output is None:
            raise UsageError("parquet cannot go to standard output; give --output FILE.parquet.")
        if importlib.util.find_spec("pyarrow") is None:
            raise UsageError("format parquet needs pyarrow: pip install 'ganpipe[parquet]'.")
    return chosen


def check_output(output: Path | None, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Checks that a file may be written.

    Args:
        output: the file; None is standard output.
        inputs: files that are read, which nothing may replace.
        overwrite: whether another file that is there may be replaced.

    Raises:
        UsageError: it is there and may not be replaced.
        DataError: it is a folder.
    """
    if output is None or not output.exists():
        return
    if output.is_dir():
        raise DataError(f"the output {str(output)!r} is a folder; name a file.")
    for path in inputs:
        if path.exists() and output.samefile(path):
            raise UsageError(
                f"--output {str(output)!r} is an input: {str(path)!r} is read, and would be lost. Name "
                "another file."
            )
    if not overwrite:
        raise UsageError(
            f"--output {str(output)!r} is there already. Name another file, or say --overwrite to replace it."
        )


@contextmanager
def open_writer(
    form: str, output: Path | None, columns: Sequence[str], *, overwrite: bool = False
) -> Iterator[Write]:
    """Opens a writer.

    Args:
        form: from `choose_format`.
        output: the file; None is standard output.
        columns: names, from `rows.column_names`.
        overwrite: whether a file that is there may be replaced.

    Raises:
        UsageError: the file is there, also if it came there meanwhile, and may not be replaced.
        DataError: the file cannot be written.
    """
    if output is None:
        with _TEXT[form](sys.stdout, columns) as write:
            yield write
            sys.stdout.flush()
        return
    check_output(output, (), overwrite=overwrite)
    partial = output.with_name(f".{output.name}.partial-{os.getpid()}")
    with writing_to(output.parent):
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            if form == "parquet":
                with _parquet(partial, columns) as write:
                    yield write
            else:
                with partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                    with _TEXT[form](file, columns) as write:
                        yield write
                    file.flush()
                    os.fsync(file.fileno())
            check_output(output, (), overwrite=overwrite)
            partial.rename(output)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _csv(file: IO[str], columns: Sequence[str]) -> Iterator[Write]:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)

    def write(rows: Sequence[Row]) -> None:
        writer.writerows([str(v).lower() if isinstance(v, bool) else v for v in row] for row in rows)

    yield write


@contextmanager
def _jsonl(file: IO[str], columns: Sequence[str]) -> Iterator[Write]:
    def write(rows: Sequence[Row]) -> None:
        for row in rows:
            file.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n")

    yield write


@contextmanager
def _parquet(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    kinds = {
        "path": pyarrow.string(),
        "label": pyarrow.string(),
        "class_id": pyarrow.int64(),
        "abstain": pyarrow.bool_(),
        "error": pyarrow.string(),
    }
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.float32())) for name in columns])

    def write(rows: Sequence[Row]) -> None:
        values: list[Any] = [
            pyarrow.array([_text(value) for value in column], field.type)
            for column, field in zip(zip(*rows, strict=True), schema, strict=True)
        ]
        table.write_table(pyarrow.Table.from_arrays(values, schema=schema))

    with parquet.ParquetWriter(path, schema) as table:
        yield write


def _text(value: Any) -> Any:
    # a path may hold bytes that are no text, for which the two other forms have a place
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


_TEXT: dict[str, Any] = {"csv": _csv, "jsonl": _jsonl}
