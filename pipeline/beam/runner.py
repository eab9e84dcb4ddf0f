"""Runs a function over pieces on Beam's portable runner, in this process or in several.

The pipeline is one linear chain without side inputs or further outputs, and its elements are pieces,
not images: results travel through files. The runner is named, because Beam's default one tries to
download another and can wait for it without end. Beam's multi_threading mode loses elements without a
word, so it is not offered.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.beam.modes import IN_MEMORY, MODES
from pipeline.beam.pieces import Piece
from pipeline.child_processes import importable
from pipeline.errors import DataError, GanpipeError, UsageError, writing_to
from ssgan_tf import errors

RESERVE = "reserve"
_RESERVED_BYTES = 1 << 16
_POLL_SECONDS = 0.25
_SETTLED_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0


class Task:
    """A function of a piece that leaves its failure, or that it is done, as a file in `scratch`.

    Nothing is raised into Beam: its own report of an exception is long, and differs from mode to mode.
    """

    def __init__(self, function: Callable[[Piece], None], scratch: Path, name: str) -> None:
        self.function, self.scratch, self.name = function, scratch, name

    def __call__(self, element: tuple[Any, ...]) -> str:
        """Runs the function, unless an earlier piece has failed: then its failure is the one to tell."""
        piece = Piece(*element)
        place = self.scratch / f"{self.name}-{piece.stem}"
        if any(failed.stem < place.name for failed in self.scratch.glob(f"{self.name}-*.failed")):
            return piece.stem
        try:
            with writing_to(self.scratch):
                self.function(piece)
                place.with_suffix(".done").touch()
        except GanpipeError as error:
            _put(place, {"kind": type(error).__name__, "message": str(error)})
        except Exception:
            _put(place, {"kind": "", "message": traceback.format_exc()})
        return piece.stem


def _put(place: Path, failure: dict[str, str]) -> None:
    partial, text = place.with_suffix(".failing"), json.dumps(failure)
    try:
        partial.write_text(text)
    except OSError:
        # a full disk: what was set aside makes room for the first failure, and it is the one to tell
        (place.parent / RESERVE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            partial.write_text(text)
            partial.rename(place.with_suffix(".failed"))
        return
    partial.rename(place.with_suffix(".failed"))


def run_pass(
    function: Callable[[Piece], None],
    pieces: Sequence[Piece],
    *,
    name: str,
    scratch: Path,
    mode: str,
    workers: int,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Calls `function` once for each piece.

    Args:
        function: picklable; writes its results to files.
        pieces: what to call it with.
        name: of the pass; begins the names of its files in `scratch`.
        scratch: a folder that every worker can write to.
        mode: "in_memory" (this process) or "multi_processing".
        workers: processes of multi_processing.
        progress: called now and then with the number of items done.

    Raises:
        GanpipeError: the failure of the first piece that failed, whichever process it was in.
        WorkerLost: a worker process was killed.
        DataError: the disk is full, so that no failure can be written down.
        UsageError: another mode.
        RuntimeError: an unexpected exception in a worker, with its traceback.
    """
    if mode == "multi_threading":
        raise UsageError("the runner mode multi_threading loses records silently; use multi_processing.")
    if mode not in MODES:
        raise errors.unknown("runner mode", mode, MODES)
    (scratch / RESERVE).write_bytes(bytes(_RESERVED_BYTES))
    task = Task(function, scratch, name)
    watch = _Watch(pieces, scratch, name, progress)
    if mode == IN_MEMORY:
        with watch.in_background(), _interrupts_as_they_are():
            _run(task, pieces, workers=1, command=None)
    else:
        with importable():
            _run_watched(task, pieces, workers=workers, scratch=scratch, watch=watch)
    failures = sorted(scratch.glob(f"{name}-*.failed"))
    if failures:
        failure = json.loads(failures[0].read_text())
        if failure["kind"]:
            raise getattr(errors, failure["kind"])(failure["message"])
        raise RuntimeError(f"a worker failed:\n{failure['message']}")
    done = len(list(scratch.glob(f"{name}-*.done")))
    if done != len(pieces):
        if not (scratch / RESERVE).exists():
            raise DataError(f"cannot write to {str(scratch)!r}: no space is left on the disk.")
        raise RuntimeError(f"Beam ran {done} of {len(pieces)} pieces of the pass {name!r}.")
    progress(sum(piece.stop - piece.start for piece in pieces))


def _run(task: Task, pieces: Sequence[Piece], *, workers: int, command: str | None) -> None:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    # the mode stays in_memory: multi_processing would set a command that breaks on a path with a space
    options = PipelineOptions([], direct_running_mode=IN_MEMORY, direct_num_workers=workers)
    environment = SubprocessSDKEnvironment.from_command_string(command) if command else None
    pipeline = beam.Pipeline(runner=FnApiRunner(default_environment=environment), options=options)
    _ = pipeline | beam.Create([tuple(piece) for piece in pieces]) | task.name >> beam.Map(task)
    pipeline.run().wait_until_finish()


def _run_watched(task: Task, pieces: Sequence[Piece], *, workers: int, scratch: Path, watch: _Watch) -> None:
    from pipeline.beam.worker import end_workers, killed_workers

    place = scratch / f"{task.name}-worker"
    # the shell is replaced by the worker, so that its parent is this process; what it prints is noise
    command = (
        f"exec {shlex.quote(sys.executable)} -m pipeline.beam.worker {os.getpid()} "
        f"{shlex.quote(str(place))} 1>&2"
    )
    raised: list[BaseException] = []

    def target() -> None:
        try:
            _run(task, pieces, workers=min(workers, len(pieces)), command=command)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=target, name=f"beam-{task.name}", daemon=True)
    with _quiet_threads():
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            watch.look()
            if thread.is_alive() and killed_workers(place):
                end_workers(place)
                _let_threads_end()
                raise errors.WorkerLost(
                    "a worker process was killed, perhaps for want of memory. Run again, with fewer workers "
                    "if that was the reason."
                )
    if raised:
        raise raised[0]


@contextmanager
def _interrupts_as_they_are() -> Iterator[None]:
    """Raises Ctrl-C as what it is: within a piece Beam makes a RuntimeError of it."""
    try:
        yield
    except RuntimeError as error:
        behind: BaseException | None = error
        while behind is not None:
            if isinstance(behind, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            behind = behind.__cause__ or behind.__context__
        raise


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Keeps from the terminal what Beam's threads die of when a worker dies."""
    hook, threading.excepthook = threading.excepthook, _log_thread_failure
    try:
        yield
    finally:
        threading.excepthook = hook


def _let_threads_end() -> None:
    """Waits until Beam's threads that belong to dead workers have ended: no further one within a second.

    Others of its threads wait for ever, and end with the process.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    count, since = threading.active_count(), time.monotonic()
    while time.monotonic() < min(deadline, since + _SETTLED_SECONDS):
        time.sleep(_POLL_SECONDS)
        if threading.active_count() != count:
            count, since = threading.active_count(), time.monotonic()


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    logging.getLogger(__name__).warning("thread %s ended: %r", failure.thread, failure.exc_value)


class _Watch:
    """Counts the items of the pieces that are done."""

    def __init__(
        self, pieces: Sequence[Piece], scratch: Path, name: str, progress: Callable[[int], None]
    ) -> None:
        self.sizes = {f"{name}-{piece.stem}": piece.stop - piece.start for piece in pieces}
        self.pattern, self.scratch, self.progress = f"{name}-*.done", scratch, progress
        self.total, self.last = sum(self.sizes.values()), 0

    def look(self) -> None:
        """Tells the progress, if there is any; the end is told by `run_pass`."""
        done = sum(self.sizes[path.stem] for path in self.scratch.glob(self.pattern))
        if self.last < done < self.total:
            self.last = done
            self.progress(done)

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Looks again and again while the block runs."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_POLL_SECONDS):
                self.look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
