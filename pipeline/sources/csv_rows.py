"""Rows of a text file with commas, tabs, semicolons or bars between its cells, read line by line.

However large the file, a few lines of it are in memory. What is wrong with its quotes and bytes is collected,
and reading goes on behind it.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from pipeline.errors import DataError
from pipeline.sources.complaints import Complaints

DELIMITERS = (",", "\t", ";", "|")
LONGEST_LINE = 1 << 20
Row = tuple[int, list[str]]

_QUOTES = "rows with quotes that are not as they must be"
_NOT_TEXT = "lines that are not UTF-8 text (save the file as UTF-8)"
_TOO_LONG = f"lines of more than {LONGEST_LINE >> 20} MiB"


def check_encoding(begin: bytes, name: str) -> None:
    """Refuses UTF-16 and UTF-32 by their first bytes.

    Raises:
        DataError: names the file.
    """
    if begin.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"the label file {name!r} is UTF-16 text; save it as UTF-8.")


def csv_rows(raw: BinaryIO, wrong: Complaints, fits: Callable[[Sequence[str]], bool]) -> Iterator[Row]:
    """Yields the number of the line in which a row begins, and its cells; not rows that are no text.

    Args:
        raw: the file.
        wrong: takes what is wrong with quotes and bytes.
        fits: whether cells of the first line may be those of a label file, which tells what parts them.
    """
    lines = _Lines(raw, wrong)
    first = lines.first()
    parted = {sign: _cells(first, sign) for sign in DELIMITERS}
    sign = next((sign for sign in DELIMITERS if fits(parted[sign])), None) or max(
        DELIMITERS, key=lambda sign: len(parted[sign])
    )
    reader = csv.reader(lines, strict=True, delimiter=sign)
    while True:
        begun = lines.begin()
        try:
            row = next(reader, None)
        except csv.Error as error:
            said, several = str(error), len(lines.taken) > 1
            if "unexpected end" in said or ("field larger" in said and several):
                # it took all that follows for its text: what follows is read again
                wrong.add(_QUOTES, f"line {begun}: a quote that is not closed")
                lines.back()
                reader = csv.reader(lines, strict=True, delimiter=sign)
            else:
                wrong.add(_QUOTES, f"line {begun}: {error}")
            continue
        if row is None:
            return
        if not lines.damaged and any(row):
            yield begun, row


def _cells(line: str, sign: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=sign), [])
    except csv.Error:
        return []


class _Lines:
    """The lines of a file, those since a row began kept, so that they can be read again.

    Attributes:
        taken: since the row began.
        damaged: whether one of these is no text.
    """

    def __init__(self, raw: BinaryIO, wrong: Complaints) -> None:
        self._text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._wrong = wrong
        self._again: deque[str] = deque()
        self._number = 0
        # the last line of which it was said that something is wrong: none is told twice
        self._told = 0
        self.taken: list[str] = []
        self.damaged = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self._number += 1
        self.taken.append(line)
        if not line.isascii():
            self._check(line)
        return line

    def begin(self) -> int:
        """A row begins: returns the number of its first line."""
        self.taken.clear()
        self.damaged = False
        return self._number + 1

    def back(self) -> None:
        """Puts back all lines of the row but the first."""
        self._number -= len(self.taken) - 1
        self._again.extendleft(reversed(self.taken[1:]))

    def first(self) -> str:
        """The first line that is not empty, which will be read again."""
        for _ in range(1000):
            line = self._read()
            self._again.append(line)
            if line.strip() or not line:
                return line
        return ""

    def _read(self) -> str:
        line = self._text.readline(LONGEST_LINE)
        if len(line) < LONGEST_LINE or line.endswith(("\n", "\r")):
            return line
        self._wrong.add(_TOO_LONG, f"line {self._number + 1}")
        while (rest := self._text.readline(LONGEST_LINE)) and not rest.endswith(("\n", "\r")):
            pass
        return "\n"

    def _check(self, line: str) -> None:
        try:
            line.encode()
        except UnicodeEncodeError as error:
            self.damaged = True
            if self._number > self._told:
                self._told = self._number
                byte = len(line[: error.start].encode()) + 1
                self._wrong.add(_NOT_TEXT, f"line {self._number}, byte {byte}")
