"""Two worker processes on loopback train as one; when one dies the other says so, and both can go on."""

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

# a low rate: at a high one a ReLU that rounding switches sends the weights apart within a few steps, while
# a mistake moves them by about the rate times the number of steps
PLAIN = (
    *("recipe.width=0.0625", "recipe.dropout=0.0", "recipe.shift=0.0", "recipe.rotate=0.0"),
    "recipe.learning_rate=2e-5",
)
SETTINGS = (*(word for setting in PLAIN for word in ("--set", setting)), "--batch-size", "32")


@pytest.fixture
def workdirs(ganpipe, tmp_path):
    """Prepared data for two workers that share no folder."""
    ganpipe("preprocess", "--workdir", tmp_path / "worker-0")
    shutil.copytree(tmp_path / "worker-0", tmp_path / "worker-1")
    return [tmp_path / "worker-0", tmp_path / "worker-1"]


def free_ports(count):
    """Below the ports that the system gives to connections of other tests until the workers listen."""
    ports = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.append(port)
    return ports


def start(workdirs, *arguments):
    hosts = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    return [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "train", "--workdir", str(workdir), *SETTINGS, *arguments,
             "--strategy", "multiworker", "--workers", hosts, "--worker-index", str(index)],
            stderr=subprocess.PIPE, text=True, bufsize=1,
        )
        for index, workdir in enumerate(workdirs)
    ]  # fmt: skip


def weights(folder, step):
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / f"step-{step}"))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("weight-")]
    assert len(names) > 20
    return {name: reader.get_tensor(name) for name in names}


def test_two_workers_train_as_one(ganpipe, workdirs, tmp_path):
    workers = start(workdirs, "--steps", "20")
    errors = [worker.communicate(timeout=240)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    shutil.copytree(workdirs[1], tmp_path / "alone")
    ganpipe("train", "--workdir", tmp_path / "alone", *SETTINGS, "--steps", "20")
    one = weights(tmp_path / "alone" / "seed-0" / "ssgan" / "train", 20)
    two = weights(workdirs[0] / "seed-0" / "ssgan" / "train", 20)
    apart = np.concatenate([np.abs(one[name] - two[name]).ravel() for name in one])
    # 20 steps of Adam at 2e-5 move a weight by up to 4e-4, and a mistake moves most of them apart; rounding
    # leaves them together, but for a few that a switched ReLU moves by a step or two
    assert np.median(apart) < 2e-6, np.quantile(apart, [0.5, 0.9, 0.99])
    assert apart.max() < 1e-4, apart.max()
    # the chief alone writes
    assert not (workdirs[1] / "seed-0" / "ssgan").exists()


def test_a_lost_worker_is_noticed_and_both_go_on(workdirs):
    arguments = ("--steps", "150", "--set", "train.checkpoint_every=20", "--set", "train.steps_per_call=20")
    workers = start(workdirs, *arguments)
    for line in workers[0].stderr:
        if "train ssgan" in line:
            break
    workers[1].send_signal(signal.SIGKILL)
    _, errors = workers[0].communicate(timeout=60)
    assert workers[0].returncode == 6
    assert "another worker was lost" in errors and "Traceback" not in errors
    workers[1].communicate()
    kept = list((workdirs[0] / "seed-0" / "ssgan").glob(".train.partial-*/checkpoints/*.index"))
    assert kept
    again = start(workdirs, *arguments)
    errors = [worker.communicate(timeout=240)[1] for worker in again]
    assert [worker.returncode for worker in again] == [0, 0], errors
