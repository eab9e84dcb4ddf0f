"""The number of replicas changes nothing but rounding."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.errors import UsageError
from ssgan_tf.step_context import StepContext
from ssgan_tf.training.strategy import make_strategy


@pytest.fixture(scope="module")
def mirrored():
    return make_strategy("mirrored", 2)


# A ReLU at 0 or one of Adam's first steps, which are as long for a gradient of 1e-8 as for one of 1, can
# turn rounding into a difference by chance; a mistake would do it with every seed.
@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.0, "shift": 0.0, "rotate": 0.0},
        {"dropout": 0.0, "loss": "faithful", "update": "alternating", "learning_rate": 1e-4},
        {"dropout": 0.3, "loss": "faithful", "learning_rate": 2e-5},
    ],
)
def test_two_replicas_train_as_one(make_loop, state_of, tmp_path, mirrored, settings):
    worst = []
    for seed in (3, 4, 5, 6):
        states = []
        for name, strategy in (("one", None), ("two", mirrored)):
            folder = tmp_path / f"{name}-{seed}"
            loop = make_loop(folder=folder, strategy=strategy, steps=20, seed=seed, **settings)
            loop.run()
            states.append(state_of(loop))
        weights = [name for name in states[0] if "weight" in name]
        worst.append(max(np.abs(states[0][name] - states[1][name]).max() for name in weights))
        if worst[-1] < 1e-5:
            return
    pytest.fail(f"the weights differ with every seed: {worst}")


def test_global_batch_must_divide(make_loop, mirrored):
    with pytest.raises(UsageError, match="cannot be divided among 2"):
        make_loop(strategy=mirrored, batch_size=15)


def test_replicas_need_mirrored():
    with pytest.raises(UsageError, match=r"mirrored"):
        make_strategy("default", 2)


def test_replicas_draw_slices_of_the_same_noise(mirrored):
    @tf.function
    def draw():
        step = StepContext(7, tf.constant(11, tf.int64))
        batch = 6 // step.replicas
        return step.normal([batch, 3]), step.uniform([batch, 2])

    whole = draw()
    parts = mirrored.run(draw)
    for one, several in zip(whole, parts, strict=True):
        joined = np.concatenate([part.numpy() for part in mirrored.experimental_local_results(several)])
        np.testing.assert_array_equal(one.numpy(), joined)
