"""Runs a function over pieces with one of Beam's runners: in this process, in several, or on an engine.

The pipeline is one linear chain without side inputs or further outputs, and its elements are pieces,
not images: results travel through files. That is a form which every runner gets right. Whatever a runner
says in the end, each piece must have left its receipt.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.beam.engines import Engine
from pipeline.beam.handshake import Probe, offer, said_in
from pipeline.beam.modes import IN_MEMORY
from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt
from pipeline.beam.task import DONE, FAILED, RESERVE, Function, Task
from pipeline.beam.watch import POLL_SECONDS, Watch
from pipeline.errors import DataError, UsageError, WorkerLost
from ssgan_tf import errors

_RESERVED_BYTES = 1 << 16
_SETTLED_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0
_NO_PACKAGE = "No module named '"


def run_pass(
    function: Function,
    pieces: Sequence[Piece],
    *,
    name: str,
    scratch: Path,
    engine: Engine,
    probe: Probe | None = None,
    expected: Mapping[Piece, Receipt] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[Piece, Receipt]:
    """Calls `function` once for each piece, or, where an engine tries again, until it was done.

    Args:
        function: picklable; writes its results to files, the same ones if it is called again, and returns a
            receipt of the images or None.
        pieces: what to call it with.
        name: of the pass; begins the names of its files in `scratch`.
        scratch: a folder that every worker can write to.
        engine: what runs it, see `pipeline.beam.engines.opened`.
        probe: picklable, reads a little of what the tasks read; must give the same on every worker of an
            engine.
        expected: the receipt of each piece, where it is known before.
        progress: called now and then with the number of items done.

    Returns:
        The receipts of pieces whose function gave one.

    Raises:
        GanpipeError: the failure of the first piece that failed, whichever process it was in.
        WorkerLost: a worker process was killed, or the engine ended without all pieces, or did other images.
        UsageError: a worker of an engine lacks what it must share with this process.
        DataError: the disk is full, so that no failure can be written down, or `scratch` was removed.
        RuntimeError: an unexpected exception in a worker, with its traceback.
    """
    (scratch / RESERVE).write_bytes(bytes(_RESERVED_BYTES))
    watch = Watch(pieces, scratch, name, progress)
    raised: Exception | None = None
    if engine.is_remote:
        task = Task(function, scratch, name, offer(scratch, probe))
        raised = _run_on_engine(task, pieces, engine=engine, watch=watch)
    else:
        task = Task(function, scratch, name)
        if engine.mode == IN_MEMORY:
            with watch.in_background(), _interrupts_as_they_are():
                _run(task, pieces, workers=1, environment=None)
        else:
            _run_watched(task, pieces, engine=engine, watch=watch)
    failures = sorted(scratch.glob(f"{name}-*{FAILED}"))
    if failures:
        failure = json.loads(failures[0].read_text())
        if failure["kind"]:
            raise getattr(errors, failure["kind"])(failure["message"])
        raise RuntimeError(f"a worker failed:\n{failure['message']}")
    receipts, missing = _receipts(pieces, scratch, name)
    if missing:
        reserve = scratch / RESERVE
        if not reserve.exists():
            raise DataError(f"{str(scratch)!r} was removed while the pass {name!r} wrote to it. Run again.")
        if not reserve.stat().st_size:
            raise DataError(f"cannot write to {str(scratch)!r}: no space is left on the disk.")
        done = f"{len(pieces) - len(missing)} of {len(pieces)} pieces of the pass {name!r}"
        if engine.is_remote:
            raise _failure_of(engine, done, raised)
        raise RuntimeError(f"Beam ran {done}.") from raised
    if raised is not None:
        # everything was done all the same, and its receipts are checked
        logging.getLogger(__name__).warning("the engine %s ended with %r", engine.mode, raised)
    for piece, receipt in (expected or {}).items():
        if receipts.get(piece) != receipt:
            raise WorkerLost(
                f"the pass {name!r} on {engine.mode} did other images than it was given, in {piece.stem} "
                f"({receipts.get(piece)}, expected {receipt}). Run again."
            )
    progress(sum(piece.stop - piece.start for piece in pieces))
    return receipts


def _receipts(pieces: Sequence[Piece], scratch: Path, name: str) -> tuple[dict[Piece, Receipt], list[Piece]]:
    """The receipts of the pieces that are done, and the pieces that are not."""
    found, missing = {}, []
    for piece in pieces:
        try:
            said = json.loads((scratch / f"{name}-{piece.stem}{DONE}").read_text())
        except FileNotFoundError:
            missing.append(piece)
            continue
        if said is not None:
            found[piece] = Receipt(*said)
    return found, missing


def _failure_of(engine: Engine, done: str, raised: Exception | None) -> Exception:
    """What to tell of a pass that an engine did not bring to its end."""
    text = "" if raised is None else str(raised)
    if stranger := said_in(text):
        return UsageError(stranger)
    if f"{_NO_PACKAGE}pipeline" in text or f"{_NO_PACKAGE}ssgan_tf" in text:
        return UsageError(
            f"the workers of {engine.mode} do not have this package: install the same release in their "
            "Python (in the image of their container, or before their worker pool is started)."
        )
    if _NO_PACKAGE in text:
        lacks = text.partition(_NO_PACKAGE)[2].partition("'")[0]
        return UsageError(
            f"the workers of {engine.mode} lack the package {lacks!r}: install it in their Python."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = f" It said: {lines[-1][:300]}" if lines else ""
    return WorkerLost(
        f"the engine {engine.mode} ended after {done}; nothing was published. Run again, once its workers "
        f"are well.{said}"
    )


def _pipeline(task: Task, pieces: Sequence[Piece], runner: Any, options: Any) -> Any:
    import apache_beam as beam

    pipeline = beam.Pipeline(runner=runner, options=options)
    _ = pipeline | beam.Create([tuple(piece) for piece in pieces]) | task.name >> beam.Map(task)
    return pipeline


def _run(task: Task, pieces: Sequence[Piece], *, workers: int, environment: Any) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    # the mode stays in_memory: multi_processing would start workers by a command, for each pass anew
    options = PipelineOptions([], direct_running_mode=IN_MEMORY, direct_num_workers=workers)
    runner = FnApiRunner(default_environment=environment)
    _pipeline(task, pieces, runner, options).run().wait_until_finish()


def _run_on_engine(task: Task, pieces: Sequence[Piece], *, engine: Engine, watch: Watch) -> Exception | None:
    """Runs a pass on an engine; returns what Beam raised, which the files of the tasks may explain better."""
    from apache_beam.options.pipeline_options import PipelineOptions

    engine.begin()
    job = engine.job(task.name)
    options = PipelineOptions([*engine.arguments(len(pieces)), *([f"--job_name={job}"] if job else [])])
    raised: list[Exception] = []
    try:
        # in this thread: a job server is started under a signal handler of its own
        result = _pipeline(task, pieces, engine.runner, options).run()
    except Exception as error:
        return error

    def target() -> None:
        try:
            result.wait_until_finish()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=target, name=f"beam-{task.name}", daemon=True)
    with _quiet_threads():
        thread.start()
        try:
            while thread.is_alive():
                thread.join(POLL_SECONDS)
                watch.look()
                if thread.is_alive() and (trouble := watch.trouble(engine.patience)):
                    _cancel(result, engine, job)
                    return RuntimeError(trouble)
        except BaseException:
            _cancel(result, engine, job)
            raise
        finally:
            _close(result)
    return raised[0] if raised else None


def _cancel(result: Any, engine: Engine, job: str | None) -> None:
    """Asks an engine to give a job up; one that does not answer in time is left to itself."""

    def target() -> None:
        engine.cancel(job)
        with contextlib.suppress(Exception):
            result.cancel()

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)


def _close(result: Any) -> None:
    # Beam leaves its connection to Dask open
    client = getattr(result, "client", None)
    if client is not None:
        with contextlib.suppress(Exception):
            client.close(timeout=_PATIENCE_SECONDS)


def _run_watched(task: Task, pieces: Sequence[Piece], *, engine: Engine, watch: Watch) -> None:
    from pipeline.beam.pool import environment_of

    pool = engine.pool
    assert pool is not None
    raised: list[BaseException] = []

    def target() -> None:
        try:
            workers = min(engine.workers, len(pieces))
            _run(task, pieces, workers=workers, environment=environment_of(pool))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=target, name=f"beam-{task.name}", daemon=True)
    with _quiet_threads():
        thread.start()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            watch.look()
            if thread.is_alive() and pool.killed():
                pool.kill()
                _let_threads_end()
                raise WorkerLost(
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
        time.sleep(POLL_SECONDS)
        if threading.active_count() != count:
            count, since = threading.active_count(), time.monotonic()


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    logging.getLogger(__name__).warning("thread %s ended: %r", failure.thread, failure.exc_value)
