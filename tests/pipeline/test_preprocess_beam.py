"""The Beam passes: every piece once, one message for a failure, and nothing that hangs or lives on."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.beam.engines import opened
from pipeline.beam.pieces import Piece, cut, cut_for_reading
from pipeline.beam.runner import run_pass
from pipeline.beam.task import RESERVE
from pipeline.errors import DataError, UsageError, exit_code
from ssgan_tf.errors import WorkerLost


class Note:
    """Writes down each call, and fails as told; workers import it from this file."""

    def __init__(self, folder: Path, failures: dict[int, BaseException] | None = None, kill: bool = False):
        self.folder, self.failures, self.kill = folder, failures or {}, kill

    def __call__(self, piece: Piece) -> None:
        with (self.folder / f"called-{piece.stem}").open("a") as file:
            file.write("x")
        if self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if piece.number in self.failures:
            raise self.failures[piece.number]


@pytest.fixture
def workers_find_this_file(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def run(task: Note, mode: str = "in_memory", count: int = 7) -> None:
    pieces = cut("train", 100, count)
    with opened(mode, workers=2) as engine:
        run_pass(task, pieces, name="pass", scratch=task.folder, engine=engine)


@pytest.mark.parametrize(("size", "count"), [(1, 5), (7, 7), (100, 8), (1797, 1)])
def test_pieces_cover_a_split_once(size, count):
    pieces = cut("train", size, count)
    assert [i for piece in pieces for i in range(piece.start, piece.stop)] == list(range(size))
    assert len(pieces) == min(count, size)
    assert max(p.stop - p.start for p in cut_for_reading("train", 100_000)) <= 4096
    assert len(cut_for_reading("train", 50_000_000)) <= 256


def test_ctrl_c_within_a_piece_is_no_bug(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Note(tmp_path, {3: KeyboardInterrupt()}))
    assert not list(tmp_path.glob("*.failed"))


def test_every_piece_is_called_once_and_progress_reaches_the_total(tmp_path):
    told = []
    pieces = cut("train", 100, 9)
    with opened("in_memory") as engine:
        run_pass(Note(tmp_path), pieces, name="pass", scratch=tmp_path, engine=engine, progress=told.append)
    assert [(tmp_path / f"called-{piece.stem}").read_text() for piece in pieces] == ["x"] * 9
    assert told == sorted(told) and told[-1] == 100


@pytest.mark.parametrize("room", [True, False])
def test_a_full_disk_is_told_in_one_sentence(tmp_path, monkeypatch, room):
    write_text = Path.write_text

    def write_with_room(path, *text, **options):
        if not room or (tmp_path / RESERVE).stat().st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write_text(path, *text, **options)

    monkeypatch.setattr(Path, "write_text", write_with_room)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "shard")
    with pytest.raises(DataError, match="^cannot write to .*: no space is left on the disk.$"):
        run(Note(tmp_path, {2: full, 4: full}))


def test_a_scratch_folder_that_is_removed_is_not_a_full_disk(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def remove(piece):
        if piece.number == 2:
            shutil.rmtree(scratch)

    told = pytest.raises(DataError, match="scratch' was removed while .* Run again.$")
    with opened("in_memory") as engine, told:
        run_pass(remove, cut("train", 100, 7), name="pass", scratch=scratch, engine=engine)


def test_the_first_failure_is_told_as_it_was_raised(tmp_path):
    with pytest.raises(DataError, match="^two is wrong$"):
        run(Note(tmp_path, {5: UsageError("five is wrong"), 2: DataError("two is wrong")}))


def test_a_bug_comes_with_the_worker_s_traceback(tmp_path):
    with pytest.raises(RuntimeError, match="(?s)Traceback.*KeyError: 'no such thing'"):
        run(Note(tmp_path, {3: KeyError("no such thing")}))


def test_other_modes_are_refused(tmp_path):
    with pytest.raises(UsageError, match="loses records"):
        run(Note(tmp_path), "multi_threading")
    with pytest.raises(UsageError, match=r"Did you mean 'in_memory'\?"):
        run(Note(tmp_path), "in-memory")


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_workers_start_once_and_one_that_is_killed_ends_the_run_with_a_message(
    tmp_path, workers_find_this_file
):
    hook = threading.excepthook
    pieces = cut("train", 100, 7)
    with opened("multi_processing", workers=2) as engine:
        workers = []
        for name in ("one", "two"):
            run_pass(Note(tmp_path), pieces, name=name, scratch=tmp_path, engine=engine)
            workers.append(engine.pool.ids)
        assert workers[0] == workers[1] and len(workers[0]) == 2
        assert [(tmp_path / f"called-{piece.stem}").read_text() for piece in pieces] == ["xx"] * 7
        with pytest.raises(WorkerLost, match="a worker process was killed.*fewer workers") as caught:
            run_pass(Note(tmp_path, kill=True), pieces, name="three", scratch=tmp_path, engine=engine)
    # no bug, which is what exit code 1 says
    assert exit_code(caught.value) not in (0, 1)
    assert threading.excepthook is hook
    assert not any(alive(worker) for worker in workers[0])


@pytest.mark.timeout(120)
def test_workers_end_with_the_process_that_started_them(tmp_path):
    starting = (
        "import time; from pipeline.beam.pool import WorkerPool;"
        "pool = WorkerPool().__enter__();"
        "pool._start(); print(pool.ids[0], flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    driver = subprocess.Popen(
        [sys.executable, "-c", starting], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert driver.stdout is not None
    worker = int(driver.stdout.readline())
    assert alive(worker)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(worker)


def alive(process: int) -> bool:
    """A process that has ended but was not waited for (in a container without init) does not count."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
