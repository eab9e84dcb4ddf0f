"""What an export keeps of its images, and the share that looks no more familiar than another one."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.errors import DamagedData
from ssgan_tf.metrics.familiarity import PROXIES, auroc, best, false_positive_rate
from ssgan_tf.reference import NEAREST, SCORES, Reference, score_of


def reference(random, count=400, score=NEAREST):
    features = (random.normal(size=(count, 4)) + [9, 0, 0, 0]).astype(np.float32)
    bank = count // 2
    found = Reference(
        features, np.ones(count, np.float32), np.zeros(count, np.int32), "test", True, score, bank
    )
    logits, real = tf.constant(features[bank:]), tf.constant(features[bank:, 0])
    scores = score_of(score, logits, tf.constant(features[bank:]), real, features[:bank]).numpy()
    return Reference(**{**vars(found), "scores": np.sort(scores)})


@pytest.mark.parametrize("score", SCORES)
def test_few_familiar_images_look_foreign(score):
    random = np.random.default_rng(0)
    made = reference(random, score=score)
    new = (random.normal(size=(2000, 4)) + [9, 0, 0, 0]).astype(np.float32)
    shares = made.in_graph(tf.constant(new), tf.constant(new), tf.constant(new[:, 0])).numpy()
    assert shares.min() > 0 and shares.max() <= 1
    for level in (0.05, 0.2, 0.5):
        # conformal: at most the level, give or take what 200 scores leave open
        assert (shares < level).mean() == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 200))
    foreign = tf.constant(-np.abs(new))
    if score != "maximum probability":
        assert made.in_graph(foreign, foreign, foreign[:, 0]).numpy().max() < 0.05


def test_a_reference_comes_back_as_it_was(tmp_path):
    made = reference(np.random.default_rng(0))
    made.save(tmp_path / "reference.npz")
    back = Reference.load(tmp_path / "reference.npz")
    for name, value in vars(made).items():
        np.testing.assert_array_equal(getattr(back, name), value)
        assert type(getattr(back, name)) is type(value)


@pytest.mark.parametrize("harm", ["cut", "text", "pickle", "sizes", "absent"])
def test_a_damaged_reference_is_one_message(tmp_path, harm):
    path = tmp_path / "reference.npz"
    made = reference(np.random.default_rng(0))
    made.save(path)
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-400])
    elif harm == "text":
        path.write_text("no archive")
    elif harm == "pickle":
        np.savez(path, **{**vars(made), "features": np.array([{}], object)})
    elif harm == "sizes":
        np.savez(path, **{**vars(made), "confidence": np.ones(3)})
    else:
        path.unlink()
    with pytest.raises(DamagedData, match=r"reference\.npz' cannot be read"):
        Reference.load(path)


def test_made_images_keep_their_pixels():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (6, 10, 9, 3), np.uint8)
    for name, make in PROXIES.items():
        made = make(images, np.random.default_rng(1))
        assert made.shape == images.shape and made.dtype == np.uint8
        assert (made != images).any(axis=(1, 2, 3)).all(), name
        flat = [np.sort(those.reshape(6, -1), axis=1) for those in (images, made)]
        np.testing.assert_array_equal(*flat)


def test_rates_by_hand():
    familiar, foreign = np.arange(1, 21), np.array([0, 1, 2, 3])
    # 95 % of 20 have at least 2: of the foreign ones 2 and 3
    assert false_positive_rate(familiar, foreign) == 0.5
    assert auroc(familiar, foreign) == pytest.approx((20 + 19.5 + 18.5 + 17.5) / 80)
    assert auroc(np.ones(5), np.ones(3)) == 0.5 and false_positive_rate(np.ones(5), np.ones(3)) == 1.0
    assert best({"a": familiar, "b": -familiar}, {"x": {"a": foreign, "b": foreign}}) == "a"
