"""One line a request: time, client, method, path, status, bytes, milliseconds.

    2026-01-31T12:00:00.123 127.0.0.1 POST /v1/models/digits:predict 200 512 1.8

Lines are gathered and written a few times a second, so that a request does not wait for a terminal.
"""

from __future__ import annotations

import re
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from pipeline.errors import UsageError, writing_to

_LONGEST_PATH = 200
_MOST_WAITING = 10_000
_LONGEST_LINE = 1000
# the time that every line begins with
_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} ")


class AccessLog:
    """Where the lines go: a file to append to; "-" for `stream` or standard error; "" for none.

    Raises:
        UsageError: the file is there and is no such log.
        DataError: the file cannot be written.
    """

    def __init__(self, target: str, stream: TextIO | None = None) -> None:
        self._lines: list[str] = []
        self._file: TextIO | None = None
        self._own = target not in ("", "-")
        if target == "-":
            self._file = stream or sys.stderr
        elif target:
            with writing_to(Path(target)):
                _check_log(Path(target))
                self._file = Path(target).open(  # noqa: SIM115 - open as long as the server
                    "a", encoding="utf-8", errors="backslashreplace"
                )

    def request(self, scope: Any, status: int, size: int, started: float) -> None:
        """Notes one request that began at `started` (of `time.perf_counter`) and was answered now."""
        if self._file is None or len(self._lines) > _MOST_WAITING:
            return
        now = datetime.now().isoformat(timespec="milliseconds")
        if len(self._lines) == _MOST_WAITING:
            self._lines.append(f"{now} more requests are not logged")
            return
        milliseconds = (time.perf_counter() - started) * 1e3
        client = scope.get("client")
        path = scope["raw_path"][:_LONGEST_PATH].decode("latin-1")
        # a path from outside must not write lines or terminal codes of its own
        path = path if path.isascii() and path.isprintable() else ascii(path)
        who = f"{now} {client[0] if client else '-'}"
        self._lines.append(f"{who} {scope['method']} {path} {status} {size} {milliseconds:.1f}")

    def flush(self) -> None:
        """Writes the lines that wait."""
        if not self._lines or self._file is None:
            return
        lines, self._lines = self._lines, []
        try:
            self._file.write("\n".join(lines) + "\n")
            self._file.flush()
        except OSError:
            # a full disk or a closed terminal must not stop the server
            self._file = None

    def close(self) -> None:
        """Writes what waits, and closes a file of its own."""
        self.flush()
        if self._own and self._file is not None:
            self._file.close()


def _check_log(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE)
    if first and not _LINE.match(first):
        raise UsageError(
            f"--access-log {str(path)!r} is there and is no access log; lines would be added to it. Name "
            "another file."
        )
