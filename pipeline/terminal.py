"""What the user sees: lines, tables and progress; and where the libraries' noise goes.

`quiet_libraries` sends what TensorFlow, Beam and absl write (from C++ through file descriptor 2, from
Python through the root logger) to a log file, while our own lines still reach the terminal.
"""

from __future__ import annotations

import datetime
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol


class Progress(Protocol):
    """A running count that can show values beside it."""

    def update(self, done: int, values: Mapping[str, float] | None = None) -> None:
        """Says that `done` of the total are done, with values (losses, say) to show."""

    def say(self, text: str) -> None:
        """Writes one line that stays, above a bar."""


class Terminal:
    """Writes to standard error: a person's view. Standard output stays for results (`--json`, CSV)."""

    def __init__(self, stream: Any = None, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.interactive = bool(getattr(self.stream, "isatty", lambda: False)()) and not quiet
        self._told: set[str] = set()

    @property
    def asks(self) -> bool:
        """Whether a person can be asked: reading and writing are both at a terminal."""
        return self.interactive and bool(getattr(sys.stdin, "isatty", lambda: False)())

    def ask(self, question: str) -> bool:
        """Asks for yes or no; anything but yes is no."""
        print(f"{question} [y/N] ", end="", file=self.stream, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def first_time(self, what: str) -> bool:
        """Whether `what` was not told here before; now it counts as told."""
        new = what not in self._told
        self._told.add(what)
        return new

    def say(self, text: str = "") -> None:
        """Writes one line."""
        if not self.quiet:
            print(text, file=self.stream, flush=True)

    def warn(self, text: str) -> None:
        """Writes one line that begins with "warning:", also when quiet."""
        print(f"warning: {text}", file=self.stream, flush=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Writes a table; the first column is left-aligned, the others right-aligned."""
        widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]

        def line(row: Sequence[str]) -> str:
            cells = [str(row[0]).ljust(widths[0])]
            cells += [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            return "  " + "   ".join(cells)

        self.say(title)
        for row in (header, ["-" * width for width in widths], *rows):
            self.say(line(row).rstrip())

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Progress]:
        """Shows a bar on a terminal, and a plain line about every ten seconds elsewhere."""
        if self.interactive:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total} {task.fields[values]}"),
                TimeRemainingColumn(),
            )
            with Bar(*columns, console=Console(file=self.stream)) as bar:
                yield _RichProgress(bar, bar.add_task(label, total=total, values=""))
        else:
            yield _PlainProgress(self, label, total)


def _format(values: Mapping[str, float] | None) -> str:
    return " ".join(f"{name} {_number(value)}" for name, value in (values or {}).items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


class _RichProgress:
    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task = bar, task

    def update(self, done: int, values: Mapping[str, float] | None = None) -> None:
        self.bar.update(self.task, completed=done, values=_format(values))

    def say(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _PlainProgress:
    def __init__(self, terminal: Terminal, label: str, total: int, every: float = 10.0) -> None:
        self.terminal, self.label, self.total, self.every = terminal, label, total, every
        self.last = time.monotonic()
        self.first: tuple[float, int] | None = None

    def update(self, done: int, values: Mapping[str, float] | None = None) -> None:
        now = time.monotonic()
        # counted from the first update: a continued run does not begin at 0, and the first call traces
        self.first = self.first or (now, done)
        if now - self.last >= self.every or done == self.total:
            self.last = now
            line = f"  {self.label} {done}/{self.total} {_format(values)}".rstrip()
            self.terminal.say(line + self._remaining(now, done))

    def say(self, text: str) -> None:
        self.terminal.say(text)

    def _remaining(self, now: float, done: int) -> str:
        since, begun = self.first or (now, done)
        if done in (begun, self.total):
            return ""
        seconds = (now - since) * (self.total - done) / (done - begun)
        return f", {clock(seconds)} left"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds as H:MM:SS."""
    return str(datetime.timedelta(seconds=round(seconds)))


@contextmanager
def quiet_libraries(log: Path | None) -> Iterator[None]:
    """Sends file descriptor 2 and the root logger to `log` (None: nowhere); sys.stderr stays ours.

    Must be entered before TensorFlow is imported. Children inherit the redirected descriptor.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    sys.stderr.flush()
    terminal_fd = os.dup(2)
    target = os.open(str(log) if log else os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 2)
    os.close(target)
    ours = os.fdopen(os.dup(terminal_fd), "w", buffering=1, errors="backslashreplace")
    before = sys.stderr
    # a test's captured stream is not descriptor 2: leave it alone
    real = _is_descriptor_2(before)
    if real:
        sys.stderr = ours
    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w", buffering=1))
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [handler]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            root.handlers = handlers
            handler.close()
            sys.stderr.flush()
            os.dup2(terminal_fd, 2)
            os.close(terminal_fd)
            sys.stderr = before
            ours.close()


def _is_descriptor_2(stream: Any) -> bool:
    try:
        return stream.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False
