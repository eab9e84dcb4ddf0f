"""The number of replicas changes nothing but rounding."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.errors import UsageError, WorkerLost
from ssgan_tf.step_context import StepContext
from ssgan_tf.training.replicas import ReplicaRange, any_process, peers
from ssgan_tf.training.strategy import make_strategy


@pytest.fixture(scope="module")
def mirrored():
    return make_strategy("mirrored", 2)


def relative(first, second):
    """How far two arrays are apart, as a share of the length of the first."""
    length = np.linalg.norm(first)
    return np.linalg.norm(first - second) / length if length else float(np.any(second))


# A low rate: at a high one a ReLU that rounding switches, or one of Adam's first steps, which are as long for
# a gradient of 1e-8 as for one of 1, sends the weights apart within a few steps. Adam hides the gradients'
# scale from the weights, but not from its own means: these are compared after the first step.
@pytest.mark.parametrize("seed", [3, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"dropout": 0.0, "shift": 0.0, "rotate": 0.0}, marks=pytest.mark.slow),
        pytest.param({"dropout": 0.0, "loss": "faithful", "update": "alternating"}, marks=pytest.mark.slow),
        {"dropout": 0.3, "loss": "faithful"},
    ],
)
def test_two_replicas_train_as_one(make_loop, state_of, tmp_path, mirrored, settings, seed):
    first_steps, states = [], []
    for name, strategy in (("one", None), ("two", mirrored)):
        loop = make_loop(
            folder=tmp_path / name, strategy=strategy, steps=6, seed=seed, learning_rate=2e-5,
            options={"summary_every": 1, "checkpoint_every": 6}, **settings,
        )  # fmt: skip
        start = state_of(loop)

        def keep_first(step, _, loop=loop):
            if step == 1:
                first_steps.append(state_of(loop))

        loop.run(keep_first)
        states.append(state_of(loop))
    means = [name for name in start if name.startswith("optimizer-") and start[name].ndim]
    assert len(means) > 20 and all(np.any(first_steps[0][name]) for name in means)
    gradients = {name: relative(first_steps[0][name], first_steps[1][name]) for name in means}
    assert max(gradients.values()) < 1e-4, max(gradients.items(), key=lambda item: item[1])
    weights = [name for name in start if name.startswith(("weight-", "average-"))]
    moved = {name: states[0][name] - start[name] for name in weights}
    apart = {name: relative(moved[name], states[1][name] - start[name]) for name in weights}
    assert max(apart.values()) < 0.3, max(apart.items(), key=lambda item: item[1])


def test_a_resumed_run_of_two_replicas_is_bit_identical(make_loop, state_of, tmp_path, mirrored):
    # two updates of the discriminator in a step, and one of the generator
    tiny = {
        **{"form": "text", "update": "separate", "width": 0.0625, "batch_size": 8, "latent_size": 8},
        **{"strategy": mirrored, "options": {"checkpoint_every": 4, "average_decay": 0.0}},
    }
    whole = make_loop("dcgan", folder=tmp_path / "whole", steps=8, **tiny)
    whole.run()
    make_loop("dcgan", folder=tmp_path / "broken", steps=4, **tiny).run()
    resumed = make_loop("dcgan", folder=tmp_path / "broken", steps=8, **tiny)
    resumed.run()
    # nothing but the last weights is looked at without an average
    for name, variable in resumed.checkpoints.variables.items():
        if name.startswith("average-"):
            weight = resumed.checkpoints.variables[name.replace("average-", "weight-")]
            np.testing.assert_allclose(variable.numpy(), weight.numpy(), rtol=1e-6, atol=1e-9)
    for name, value in state_of(whole).items():
        np.testing.assert_array_equal(value, state_of(resumed)[name], err_msg=name)
    for network in resumed.networks.values():
        for variable in network.variables:
            first, second = (copy.numpy() for copy in mirrored.experimental_local_results(variable.value))
            np.testing.assert_array_equal(first, second)


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


def test_a_peer_that_is_gone_is_one_message_and_alone_an_error_stays_what_it_is():
    gone = tf.errors.UnavailableError(None, None, "Connection reset by peer")
    again = pytest.raises(WorkerLost, match=r"lost after step 7; start all workers again")
    with again, peers(ReplicaRange(1, 1, 2), "after step 7"):
        raise gone
    with pytest.raises(tf.errors.UnavailableError), peers(ReplicaRange(0, 2, 2), "after step 7"):
        raise gone


def test_alone_nobody_else_is_asked(mirrored):
    any_of_them = any_process(mirrored, ReplicaRange.of(mirrored))
    assert any_of_them(True) is True and any_of_them(False) is False
