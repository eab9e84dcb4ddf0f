"""One process for all tests: TensorFlow is imported once, with two logical CPU devices for replicas.

GPUs are hidden from the tests and from the commands that they start: two replicas then are logical CPU
devices on a machine with no, one or two GPUs, and a test that asks for the same bits gets them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

from ssgan_tf.training.strategy import make_logical_cpus

make_logical_cpus(2)


@pytest.fixture(scope="session", autouse=True)
def cache_of_digests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps what the tests read out of the user's own cache."""
    os.environ["GANPIPE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


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
