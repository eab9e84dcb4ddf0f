"""Worker processes on loopback train as one; a worker that is told to stop takes the others with it, and one
that dies is noticed; all can go on, to the weights of a run that nothing stopped.
"""

import contextlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

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


def start(workdirs, *arguments, settings=SETTINGS):
    hosts = ",".join(f"127.0.0.1:{port}" for port in free_ports(len(workdirs)))
    return [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "train", "--workdir", str(workdir), *settings, *arguments,
             "--strategy", "multiworker", "--workers", hosts, "--worker-index", str(index)],
            stderr=subprocess.PIPE, text=True, bufsize=1,
        )
        for index, workdir in enumerate(workdirs)
    ]  # fmt: skip


def finish(workers, *codes):
    """Waits for workers and requires their exit codes; returns what they said."""
    try:
        errors = [worker.communicate(timeout=600)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == list(codes), errors
    assert not any("Traceback" in text for text in errors), errors
    return errors


def state(folder, step):
    """Everything in a checkpoint: weights, averages, optimizers."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / f"step-{step}"))
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith(("_", "save_"))]
    return {name: reader.get_tensor(name) for name in names}


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


@pytest.mark.slow
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


# the smallest system: most of what such a test costs is the start of the processes
TOY = ("--recipe", "gaussian")
STEPS = 300
STOPPED = (
    *TOY,
    "--steps",
    str(STEPS),
    "--set",
    "train.checkpoint_every=30",
    "--set",
    "train.steps_per_call=10",
)


@pytest.fixture(scope="module")
def undisturbed(ganpipe, made_once):
    """A folder that two workers trained in without being stopped, and beside it one with the data alone."""

    def make(folder):
        ganpipe("preprocess", "--workdir", folder / "data", "--dataset", "gaussian")
        shutil.copytree(folder / "data", folder / "whole")
        finish(start([folder / "whole"] * 2, settings=STOPPED), 0, 0)

    return made_once("undisturbed_workers", make)


@pytest.mark.slow
@pytest.mark.parametrize("told", [(1,), (0, 1)], ids=["one", "both"])
def test_workers_that_are_told_to_stop_go_on_to_the_same_bits(undisturbed, tmp_path, told):
    workdir = tmp_path / "run"
    shutil.copytree(undisturbed / "data", workdir)
    workers = start([workdir] * 2, settings=STOPPED)
    deadline = time.monotonic() + 600
    while not list(workdir.glob("seed-0/gaussian/.train.partial-*/checkpoints/step-30.index")):
        assert time.monotonic() < deadline and workers[0].poll() is None
        time.sleep(0.05)
    for index in told:
        workers[index].send_signal(signal.SIGTERM)
    errors = finish(workers, 130, 130)
    # all stop at one step, of which the chief has a checkpoint
    (step,) = {int(re.search(r"stopped at step (\d+) of 300, with a checkpoint", text)[1]) for text in errors}
    assert 30 <= step < STEPS
    (begun,) = workdir.glob("seed-0/gaussian/.train.partial-*")
    assert (begun / "checkpoints" / f"step-{step}.index").exists()
    number = begun.stat().st_ino
    finish(start([workdir] * 2, settings=STOPPED), 0, 0)
    # it went on in what was begun, and not from the start
    assert (workdir / "seed-0/gaussian/train").stat().st_ino == number
    whole, resumed = (
        state(folder / "seed-0/gaussian/train", STEPS) for folder in (undisturbed / "whole", workdir)
    )
    assert whole.keys() == resumed.keys() and len(whole) > 10
    for name, value in whole.items():
        np.testing.assert_array_equal(value, resumed[name], err_msg=name)


@pytest.mark.slow
def test_four_workers_train_as_one(ganpipe, undisturbed, tmp_path):
    few = (*TOY, "--steps", "20")
    shutil.copytree(undisturbed / "data", tmp_path / "four")
    shutil.copytree(undisturbed / "data", tmp_path / "one")
    finish(start([tmp_path / "four"] * 4, settings=few), 0, 0, 0, 0)
    ganpipe("train", "--workdir", tmp_path / "one", *few)
    four, one = (state(tmp_path / name / "seed-0/gaussian/train", 20) for name in ("four", "one"))
    assert four.keys() == one.keys()
    # in these steps the weights move by about 1e-5; rounding took four workers 5e-8 apart
    for name, value in one.items():
        np.testing.assert_allclose(four[name], value, rtol=1e-4, atol=2e-7, err_msg=name)


@pytest.mark.slow
def test_a_taken_port_is_told_and_a_worker_that_waits_can_be_stopped(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "data", tmp_path / "run")
    taken, free = free_ports(2)
    with socket.create_server(("", taken)):
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", "train", "--workdir", str(tmp_path / "run"),
                 *TOY, "--steps", "5", "--strategy", "multiworker", "--worker-index", str(index),
                 "--workers", f"127.0.0.1:{taken},127.0.0.1:{free}"],
                stderr=subprocess.PIPE, text=True, bufsize=1,
            )
            for index in range(2)
        ]  # fmt: skip
        errors = workers[0].communicate(timeout=120)[1]
        assert workers[0].returncode == 2 and "Traceback" not in errors
        assert f"cannot listen at 127.0.0.1:{taken}: another program has the port" in errors
        for line in workers[1].stderr:
            if "worker 1 of 2: waiting for the others" in line:
                break
        # it is inside TensorFlow soon, which knows nothing of Python's handlers
        time.sleep(5)
        workers[1].send_signal(signal.SIGTERM)
        workers[1].communicate(timeout=10)
        assert workers[1].returncode == -signal.SIGTERM
