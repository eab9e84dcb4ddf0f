"""One process a core runs the tests, file by file; each imports TensorFlow once, with two logical CPUs.

GPUs are hidden from the tests and from the commands that they start: two replicas then are logical CPU
devices on a machine with no, one or two GPUs, and a test that asks for the same bits gets them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

MOST_PROCESSES = 4

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
WORKER = "PYTEST_XDIST_WORKER" in os.environ
if WORKER:
    # the other cores are other workers'; the commands that the tests start are told so too
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core; files that are named, and all tests on one core, run in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    named = config.args_source == pytest.Config.ArgsSource.ARGS
    return 0 if named or cores == 1 else min(cores, MOST_PROCESSES)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the devices, but not in a process that only hands tests out."""
    if WORKER or config.option.dist == "no":
        from ssgan_tf.training.strategy import make_logical_cpus

        make_logical_cpus(2)


@pytest.fixture(scope="session", autouse=True)
def cache_of_digests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps what the tests read out of the user's own cache."""
    os.environ["GANPIPE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Makes a folder for all processes: the first that asks for its name makes it, the others wait.

    Called with the name and a function that fills the (empty) folder. Tests must not change it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if WORKER else base) / "made_once"
    shared.mkdir(exist_ok=True)

    def folder_of(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of MNIST's own files, from GANPIPE_TEST_DATA."""
    return _test_data("mnist")


@pytest.fixture(scope="session")
def tfds_folder() -> Path:
    """A tensorflow_datasets data_dir that holds mnist, from GANPIPE_TEST_DATA."""
    return _test_data("tfds")


def _test_data(name: str) -> Path:
    root = os.environ.get("GANPIPE_TEST_DATA")
    if not root:
        pytest.skip("needs MNIST: set GANPIPE_TEST_DATA to a folder that holds mnist/ and tfds/")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"GANPIPE_TEST_DATA has no folder {name}")
    return folder
