"""The accuracy on held-out images: right, cheap, and without a trace in the weights."""

from pathlib import Path

import numpy as np
import pytest

from ssgan_tf.records import DatasetInfo, Split
from ssgan_tf.training import held_out as module
from ssgan_tf.training.held_out import HeldOut, open_held_out
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.strategy import make_strategy
from tests.ssgan_tf.recipe_fixtures import batches_of, build


@pytest.fixture(scope="module")
def images(digits):
    """300 digits with their labels."""
    return digits[0][:300], digits[1][:300]


def test_watching_changes_no_weight_and_holds_for_replicas(state_of, images, tmp_path):
    states = {}
    for name in ("alone", "watched"):
        system = build("supervised", of="improved-gan")
        loop = Loop(
            system,
            batches_of(system, "supervised"),
            make_strategy("mirrored", 2),
            LoopOptions(steps=6, validation_every=2),
            seed=1,
            folder=tmp_path / name,
            held_out=HeldOut(system, *images) if name == "watched" else None,
        )
        loop.run()
        states[name] = state_of(loop)
    for name, value in states["alone"].items():
        np.testing.assert_array_equal(value, states["watched"][name], err_msg=name)
    steps, values = loop.summaries.history.validation()
    assert {0, 6} <= set(steps.tolist())
    for networks, accuracy in zip((loop.averages, loop.networks), values[-1], strict=True):
        answers = np.argmax(loop.system.class_logits(networks, images[0]), 1)
        assert accuracy == np.mean(answers == images[1])
    with np.load(tmp_path / "watched" / "history.npz") as stored:
        np.testing.assert_array_equal(stored["validation_steps"], steps)
        np.testing.assert_array_equal(stored["validation_accuracy"], values)


class Clock:
    """A clock that each measurement moves on by a second."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_it_takes_at_most_its_share_of_the_time(images, monkeypatch):
    clock = Clock()
    held_out = HeldOut(build("supervised", of="ssgan"), *images, clock)

    def measured():
        clock.now += 1.0
        return module.Accuracy(0.5, 0.5)

    monkeypatch.setattr(held_out, "_measured", measured)
    held_out.begin({}, {})
    done = 0
    for _ in range(1000):
        clock.now += 1.0
        done += held_out.measure() is not None
    # the clock of the share starts after the first measurement; one is begun where the share is not used up
    assert done - 1 <= module.MOST_TIME * clock.now <= done + 1
    assert held_out.measure() is None and held_out.measure(always=True)


def test_what_is_held_out(images, monkeypatch):
    system = build("supervised", of="ssgan")
    labels = np.where(np.arange(300) % 3, images[1], -1).astype(np.int32)
    read = []

    def blocks(info, split):
        read.append(split)
        yield Split(images[0], labels, [""] * 300)

    monkeypatch.setattr(module, "iterate_split", blocks)

    def opened(*splits, system=system):
        described = {name: {"count": 300, "labelled": 200, "shards": []} for name in splits}
        return open_held_out(DatasetInfo(Path("x"), (8, 8, 1), ("a",) * 10, described, {}), system)

    assert opened("train", "test") is None
    assert opened("train", "test", "validation", system=build("gan")) is None
    assert read == []
    found = opened("train", "test", "validation")
    assert read == ["validation"]
    np.testing.assert_array_equal(found.labels, labels[labels >= 0])
    np.testing.assert_array_equal(found.images, images[0][labels >= 0])
    monkeypatch.setattr(module, "MOST_IMAGES", 50)
    assert len(opened("train", "validation").images) == 50
    labels[:] = -1
    assert opened("train", "validation") is None
