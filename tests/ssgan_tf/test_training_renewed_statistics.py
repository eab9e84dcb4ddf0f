"""Renewed statistics are those of the images as evaluation sees them, whatever the batches and replicas."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.networks.layers import BatchNormalization
from ssgan_tf.training import renewed_statistics as module
from ssgan_tf.training.batches import MemoryBatches
from ssgan_tf.training.renewed_statistics import RenewedStatistics, together
from ssgan_tf.training.strategy import make_strategy
from tests.ssgan_tf.recipe_fixtures import build

RENEWED = {"options": {"batch_statistics": "renewed"}}


def moving(layers):
    """Moving means and variances of layers."""
    return [(layer.moving_mean.numpy(), layer.moving_variance.numpy()) for layer in layers]


def scattered(networks, seed=0):
    """Gives every trained value of networks another one, so that no layer stands for another."""
    random = np.random.default_rng(seed)
    for network in networks.values():
        for variable in network.trainable_variables:
            value = variable.value
            value.assign(value.numpy() + random.normal(0.0, 0.2, variable.shape).astype(np.float32))
    return networks


def by_numpy(network, images):
    """What each layer of batch normalisation of a network should hold, computed in float64.

    A layer's output follows from its input by the formula of the paper, not by the layer itself.
    """
    x, found = images, []
    for layer in network.body:
        if isinstance(layer, BatchNormalization):
            values = x.numpy().astype(np.float64)
            axes = tuple(range(values.ndim - 1))
            mean, variance = values.mean(axes), values.var(axes)
            found.append((mean, variance))
            scaled = (values - mean) / np.sqrt(variance + layer.epsilon)
            x = tf.cast(scaled * layer.gamma.numpy() + layer.beta.numpy(), x.dtype)
        else:
            x = layer(x)
    return found


def assert_same(states, but=()):
    first, second = states
    assert first.keys() == second.keys()
    for name in first:
        if name not in but:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_parts_of_unequal_size_together_are_the_whole():
    random = np.random.default_rng(1)
    # means that lie far from 0, and apart
    parts = [random.normal(3000.0 + 3.0 * i, 1.0, (size, 4)) for i, size in enumerate((7, 100, 1))]
    sizes = [len(part) for part in parts]
    mean, variance = together(sizes, [(part.mean(0), part.var(0)) for part in parts])
    whole = np.concatenate(parts)
    assert mean.dtype == variance.dtype == np.float32
    np.testing.assert_allclose(mean, whole.mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, whole.var(0), rtol=1e-6)


@pytest.mark.parametrize(("recipe", "batch"), [("ssgan", 16), ("ssgan", 100), ("few-labels", 100)])
def test_weights_held_still_give_the_statistics_that_numpy_gives(digits, recipe, batch):
    system = build(recipe, batch_size=batch)
    batches = MemoryBatches(*digits, system.streams(), 0)
    networks, others = scattered(system.build_networks()), scattered(system.build_networks(), 1)
    renewed = RenewedStatistics(system, batches, [networks, others])
    before = [
        [variable.numpy() for variable in each["discriminator"].variables] for each in (networks, others)
    ]
    renewed.renew()
    assert renewed.images == len(digits[0])
    names = {variable.path for variable in networks["discriminator"].trainable_variables}
    for each, layers, old in zip((networks, others), renewed.layers, before, strict=True):
        network = each["discriminator"]
        assert layers == [layer for layer in network.body if isinstance(layer, BatchNormalization)]
        assert len(layers) == {"ssgan": 2, "few-labels": 6}[recipe]
        expected = by_numpy(
            network, system.scaled(digits[0]) if recipe == "ssgan" else as_few_labels(digits[0])
        )
        for (mean, variance), (its_mean, its_variance) in zip(moving(layers), expected, strict=True):
            assert np.all(np.abs(mean - its_mean) < 1e-4 * np.sqrt(its_variance))
            np.testing.assert_allclose(variance, its_variance, rtol=1e-4)
        for variable, value in zip(network.variables, old, strict=True):
            if variable.path in names or "moving" not in variable.path:
                np.testing.assert_array_equal(variable.numpy(), value)
    # again: nothing that was renewed is what a layer's statistics are made of
    state = [variable.numpy() for variable in renewed.variables()]
    renewed.renew()
    for variable, value in zip(renewed.variables(), state, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def as_few_labels(images):
    """Record images [N, 8, 8, 1] as `few-labels` takes them."""
    return tf.constant(images.astype(np.float32) / 127.5 - 1.0)


def test_half_precision_is_measured_in_float32(digits):
    system = build("ssgan", dtype="mixed_bfloat16")
    networks = scattered(system.build_networks())
    renewed = RenewedStatistics(system, MemoryBatches(*digits, system.streams(), 0), [networks])
    renewed.renew()
    x = tf.cast(system.scaled(digits[0]), tf.bfloat16)
    for layer in networks["discriminator"].body[:3]:
        x = layer(x)
    values = x.numpy().astype(np.float64)
    mean, variance = (value.numpy() for value in module._moments(x))
    assert x.dtype == tf.bfloat16 and mean.dtype == variance.dtype == np.float32
    # bfloat16 has 8 bits: a sum in it would be off by per cents
    np.testing.assert_allclose(variance, values.var((0, 1, 2)), rtol=1e-4)
    assert np.all(np.abs(mean - values.mean((0, 1, 2))) < 1e-4 * np.sqrt(variance))
    # in a graph a convolution and its activation are one kernel, which rounds once less
    its_mean, its_variance = moving(renewed.layers[0])[0]
    np.testing.assert_allclose(its_variance, variance, rtol=0.03)
    assert np.all(np.abs(its_mean - mean) < 0.03 * np.sqrt(variance))


def test_images_are_a_bounded_sample_of_those_trained_on(digits, monkeypatch):
    monkeypatch.setattr(module, "MOST_IMAGES", 100)
    of = {}
    for recipe, most in (("ssgan", len(digits[0])), ("supervised", 300)):
        system = build(recipe)
        for seed in (0, 1):
            batches = MemoryBatches(*digits, system.streams(), seed)
            renewed = RenewedStatistics(system, batches, [system.build_networks()])
            assert renewed.images == 100
            only = recipe == "supervised"
            assert batches.sample_size(only) == most
            whole = batches.sample(tf.range(most, dtype=tf.int64), only).numpy()
            # each image once, of the labelled ones alone where nothing else is trained on
            assert np.array_equal(ordered(whole), ordered(digits[0][:most]))
            of[recipe, seed] = whole[:100]
        assert not np.array_equal(of[recipe, 0], of[recipe, 1])
    drawn = []
    monkeypatch.setattr(
        batches, "sample", lambda *asked: drawn.append(asked) or MemoryBatches.sample(batches, *asked)
    )
    renewed.renew()
    positions = [asked[0].numpy() for asked in drawn]
    assert all(asked[1] for asked in drawn) and np.array_equal(np.concatenate(positions), [*range(100)] * 2)
    assert max(map(len, positions)) == system.settings.batch_size


def ordered(images):
    """Images as rows, sorted."""
    rows = images.reshape(len(images), -1)
    return rows[np.lexsort(rows.T)]


def test_a_recipe_without_batch_normalisation_is_left_alone(digits):
    for recipe in ("sgan", "improved-gan", "dcgan"):
        system = build(recipe)
        networks = system.build_networks()
        before = [variable.numpy() for network in networks.values() for variable in network.variables]
        renewed = RenewedStatistics(system, MemoryBatches(*digits, system.streams(), 0), [networks])
        assert not renewed.variables()
        renewed.renew()
        after = [variable.numpy() for network in networks.values() for variable in network.variables]
        assert all(map(np.array_equal, before, after))


@pytest.fixture(scope="module")
def undisturbed(digits, tmp_path_factory):
    """Where a run of 8 steps with renewed statistics is kept, once it has been made."""
    return {"folder": tmp_path_factory.mktemp("undisturbed")}


@pytest.fixture
def whole(undisturbed, make_loop, state_of):
    """The state that a run of 8 steps with renewed statistics ends in."""
    if "state" not in undisturbed:
        loop = make_loop(folder=undisturbed["folder"], steps=8, **RENEWED)
        loop.run()
        undisturbed["state"] = state_of(loop)
    return undisturbed["state"]


def test_only_the_classifiers_statistics_differ_from_moving_ones(make_loop, state_of, whole, tmp_path):
    loop = make_loop(folder=tmp_path, steps=8)
    assert loop.options.batch_statistics == "moving" and loop.renewed is None
    loop.run()
    usual = state_of(loop)
    changed = {
        name for name in whole if name.partition("-")[2].startswith("discriminator") and "moving" in name
    }
    assert len(changed) == 2 * 2 * 2
    assert_same([whole, usual], but=changed)
    assert not any(np.array_equal(whole[name], usual[name]) for name in changed)


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_a_run_that_was_killed_ends_with_the_same_bits(
    make_loop, state_of, whole, tmp_path, monkeypatch, when
):
    def begun():
        return make_loop(
            folder=tmp_path / "run", steps=8, options={"checkpoint_every": 5, **RENEWED["options"]}
        )

    loop = begun()
    if when == "before":
        stop = threading.Event()
        loop.run(lambda step, _: stop.set() if step >= 5 else None, stop)
        assert int(loop.step.numpy()) == 5
    elif when == "within":
        measured = RenewedStatistics._measured

        def killed(self, number):
            if number:
                raise KeyboardInterrupt
            return measured(self, number)

        with monkeypatch.context() as patched:
            patched.setattr(RenewedStatistics, "_measured", killed)
            with pytest.raises(KeyboardInterrupt):
                loop.run()
        # one layer of two had its own already
        assert int(loop.step.numpy()) == 8
        assert sorted(path.name for path in (tmp_path / "run/checkpoints").glob("*.index")) == [
            "step-5.index"
        ]
    else:
        loop.run()
        monkeypatch.setattr(RenewedStatistics, "renew", lambda _: pytest.fail("renewed again"))
    resumed = begun()
    resumed.run()
    assert_same([whole, state_of(resumed)])


def test_replicas_have_the_statistics_of_one(make_loop, state_of, tmp_path):
    mirrored = make_strategy("mirrored", 2)
    one, two = (
        make_loop(folder=tmp_path / name, strategy=strategy, **RENEWED)
        for name, strategy in (("one", None), ("two", mirrored))
    )
    for loop in (one, two):
        scattered(loop.networks)
        scattered(loop.averages, 1)
        loop._renew_statistics()
    assert_same([state_of(one), state_of(two)])
    assert len(two.renewed.variables()) == 8
    for variable in two.renewed.variables():
        first, second = (copy.numpy() for copy in mirrored.experimental_local_results(variable))
        assert np.array_equal(first, second) and np.any(first)
