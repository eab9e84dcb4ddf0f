"""What is chosen for the devices of a machine, with lists of devices that this one need not have."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf

from ssgan_tf.devices import convolves_by_products, devices_in_words, visible_gpus
from ssgan_tf.errors import UsageError
from ssgan_tf.networks import convolutions
from ssgan_tf.training import strategy
from ssgan_tf.training.strategy import count_replicas, device_names, make_strategy


@pytest.fixture
def machine(monkeypatch):
    """Gives the machine a number of GPUs."""

    def have(gpus):
        devices = [tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(gpus)]
        monkeypatch.setattr(
            tf.config, "get_visible_devices", lambda kind=None: devices if kind == "GPU" else []
        )

    return have


@pytest.mark.parametrize(
    ("gpus", "replicas", "names"),
    [
        (0, None, ["CPU:0", "CPU:1"]),
        (0, 3, ["CPU:0", "CPU:1", "CPU:2"]),
        (1, None, ["GPU:0"]),
        (2, None, ["GPU:0", "GPU:1"]),
        (2, 1, ["GPU:0"]),
    ],
)
def test_mirrored_takes_the_gpus_that_are_there(machine, monkeypatch, gpus, replicas, names):
    machine(gpus)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices, **_: list(devices))
    monkeypatch.setattr(strategy, "make_logical_cpus", lambda count: None)
    assert make_strategy("mirrored", replicas) == names
    assert count_replicas("mirrored", replicas) == len(names)
    assert count_replicas("multiworker", None, 3) == 3 * max(1, gpus)
    assert count_replicas("default") == 1


@pytest.mark.parametrize(("gpus", "words"), [(1, "has 1 GPU, and"), (2, "has 2 GPUs, and")])
def test_more_replicas_than_gpus_are_refused(machine, gpus, words):
    machine(gpus)
    for ask in (make_strategy, count_replicas):
        with pytest.raises(UsageError, match=rf"{words} .*CUDA_VISIBLE_DEVICES=-1"):
            ask("mirrored", 3)


def test_convolutions_are_products_on_cpus_alone(machine, monkeypatch):
    used = []
    original = convolutions._conv_by_blocks
    monkeypatch.setattr(convolutions, "_conv_by_blocks", lambda *a: used.append(1) or original(*a))
    layer = convolutions.Conv2D(4, 4, 2, "same")
    images = tf.random.stateless_normal([2, 8, 8, 1], [1, 2])
    for gpus in (0, 1):
        machine(gpus)
        assert convolves_by_products() == (gpus == 0) and len(visible_gpus()) == gpus
        layer(images, training=True)
    assert used == [1]


def test_devices_in_words(machine):
    machine(1)
    assert device_names(tf.distribute.get_strategy()) == ["GPU:0"]
    assert devices_in_words(1, ["GPU:0"]) == "1 replica on GPU:0"
    names = [f"/job:worker/replica:0/task:1/device:GPU:{i}" for i in range(2)]
    assert devices_in_words(6, names, 3) == "6 replicas on GPU:0, GPU:1 in each of 3 processes"


def test_gpu_memory_grows_unless_the_user_says_otherwise():
    program = "import os, ssgan_tf; print(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'])"
    environment = {k: v for k, v in os.environ.items() if k != "TF_FORCE_GPU_ALLOW_GROWTH"}
    for given, shown in (({}, "true"), ({"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, "false")):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=environment | given,
        )
        assert done.stdout.strip() == shown
