"""Recipes' losses against values worked out by hand, with networks whose answers are given.

Real images here are white, generated ones black; a discriminator that answers by brightness makes every
term of a loss known.
"""

import math

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf import losses
from ssgan_tf.networks.dcgan_pair import Outputs
from ssgan_tf.recipes import load_recipe
from ssgan_tf.systems.recipe import Batch, DataSpec
from tests.ssgan_tf.recipe_fixtures import build, first_step


def softplus(x):
    return math.log1p(math.exp(x))


def cross_entropy(logits, label):
    return math.log(sum(math.exp(value) for value in logits)) - logits[label]


def system_for(recipe, classes=2, **settings):
    chosen = load_recipe(recipe)
    return chosen.build(chosen.configure("small", settings), DataSpec((8, 8, 1), classes))


def white(count, labels):
    return Batch(tf.fill([count, 8, 8, 1], tf.constant(255, tf.uint8)), tf.constant(labels, tf.int32))


def brightness_discriminator(on_white, on_black):
    def answer(images, training=False):
        bright = tf.reshape(images, [images.shape[0], -1])[:, :1] > 0.5
        return tf.where(bright, tf.constant([on_white]), tf.constant([on_black]))

    return answer


def black_generator(shape, black):
    return lambda z, training=False: tf.fill([z.shape[0], *shape], tf.constant(black, tf.float32))


def losses_of(system, networks, batches):
    step = first_step()
    minimise, record = {}, {}
    with step.entered():
        for update in system.updates():
            result = update(networks, batches, step)
            minimise |= result.minimise
            record |= result.record
    return {k: float(v) for k, v in minimise.items()}, {k: float(v) for k, v in record.items()}


@pytest.mark.parametrize(("recipe", "shape", "black"), [("gan", (64,), 0.0), ("dcgan", (8, 8, 1), -1.0)])
def test_adversarial_losses(recipe, shape, black):
    networks = {
        "discriminator": brightness_discriminator([2.0], [-0.5]),
        "generator": black_generator(shape, black),
    }
    system = system_for(recipe)
    minimise, record = losses_of(system, networks, {"images": white(4, [-1] * 4)})
    # real against 1 and fake against 0; the generator's fakes against 1
    assert record["discriminator/real"] == pytest.approx(softplus(-2.0), rel=1e-5)
    assert record["discriminator/fake"] == pytest.approx(softplus(-0.5), rel=1e-5)
    assert minimise["discriminator"] == pytest.approx(softplus(-2.0) + softplus(-0.5), rel=1e-5)
    assert minimise["generator"] == pytest.approx(softplus(0.5), rel=1e-5)
    assert record["discriminator/accuracy"] == 1.0


def test_gradient_penalty_of_known_discriminators():
    images = tf.constant([[1.0, 2.0, -2.0], [0.0, 3.0, 4.0]])
    # a linear one has the same gradient everywhere; half the squared norm has the image itself
    linear = tf.constant([[2.0], [-1.0], [0.5]])
    assert float(losses.gradient_penalty(lambda x: x @ linear, images)) == pytest.approx(5.25)
    half_squares = losses.gradient_penalty(lambda x: tf.reduce_sum(x * x, 1, keepdims=True) / 2.0, images)
    assert float(half_squares) == pytest.approx((9.0 + 25.0) / 2.0)
    assert float(losses.gradient_penalty(lambda x: tf.zeros([2, 1]), images)) == 0.0


def test_gan_penalises_the_gradient_at_real_images():
    networks = {
        # 64 white pixels, each with weight 1/2: logit 32 on real, 0 on generated images
        "discriminator": lambda images, training=False: tf.reduce_sum(images, 1, keepdims=True) / 2.0,
        "generator": black_generator((64,), 0.0),
    }
    batch = {"images": white(4, [-1] * 4)}
    minimise, record = losses_of(system_for("gan", gradient_penalty=3.0), networks, batch)
    assert record["discriminator/gradient_penalty"] == pytest.approx(3.0 / 2.0 * 64 / 4)
    assert minimise["discriminator"] == pytest.approx(softplus(-32.0) + softplus(0.0) + 24.0)
    minimise, record = losses_of(system_for("gan", gradient_penalty=0.0), networks, batch)
    assert "discriminator/gradient_penalty" not in record
    assert minimise["discriminator"] == pytest.approx(softplus(-32.0) + softplus(0.0))


def test_gaussian_halves_the_discriminators_loss():
    system = build("gaussian")
    networks = {
        "discriminator": lambda points, training=False: tf.fill([points.shape[0], 1], 1.0),
        "generator": lambda z, training=False: tf.zeros([z.shape[0], 2]),
    }
    batch = Batch(tf.zeros([4, 1, 8, 1], tf.uint8), tf.fill([4], -1))
    minimise, _ = losses_of(system, networks, {"images": batch})
    assert minimise["discriminator"] == pytest.approx((softplus(-1.0) + softplus(1.0)) / 2, rel=1e-5)


def test_sgan_losses():
    on_real, on_fake = [2.0, 1.0, 3.0, 0.0], [-1.0, 0.0, 0.5, 1.5]
    networks = {
        "discriminator": brightness_discriminator(on_real, on_fake),
        "generator": black_generator((8, 8, 1), -1.0),
    }
    # one label in four: only that image counts, and the mean is over it alone
    system = system_for("sgan", labelled_batch=0, adversarial_weight=0.25)
    minimise, record = losses_of(system, networks, {"images": white(4, [-1, 0, -1, -1])})
    terms = {
        "discriminator/valid_real": softplus(-2.0),
        "discriminator/valid_fake": softplus(-1.0),
        "discriminator/class_labelled": cross_entropy(on_real[1:], 0),
        "discriminator/class_fake": cross_entropy(on_fake[1:], 2),
    }
    for name, value in terms.items():
        assert record[name] == pytest.approx(value, rel=1e-5), name
    supervised = terms.pop("discriminator/class_labelled")
    assert minimise["discriminator"] == pytest.approx(supervised + 0.25 * sum(terms.values()), rel=1e-5)
    assert minimise["generator"] == pytest.approx(softplus(1.0), rel=1e-5)
    # the largest class logit is class 1's, the label is 0
    assert record["discriminator/labelled_accuracy"] == 0.0


def test_sgan_without_a_label_in_the_batch():
    networks = {
        "discriminator": brightness_discriminator([2.0, 1.0, 3.0, 0.0], [-1.0, 0.0, 0.5, 1.5]),
        "generator": black_generator((8, 8, 1), -1.0),
    }
    _, record = losses_of(system_for("sgan", labelled_batch=0), networks, {"images": white(4, [-1] * 4)})
    assert record["discriminator/class_labelled"] == 0.0


def test_improved_gan_losses():
    on_real, on_fake = [1.0, 3.0], [-2.0, 0.5]
    features = {True: [1.0, 2.0, 3.0], False: [0.0, 2.0, 1.0]}
    logits = brightness_discriminator(on_real, on_fake)

    def discriminator(images, training=False):
        bright = tf.reshape(images, [images.shape[0], -1])[:, :1] > 0.5
        return Outputs(
            logits(images), tf.where(bright, tf.constant([features[True]]), tf.constant([features[False]]))
        )

    networks = {"discriminator": discriminator, "generator": black_generator((8, 8, 1), 0.0)}
    system = system_for("improved-gan", batch_size=4, labelled_batch=4)
    minimise, record = losses_of(
        system,
        networks,
        {
            "labelled": white(4, [0, 1, 1, 1]),
            "unlabelled": white(4, [-1] * 4),
            "matched": white(4, [-1] * 4),
        },
    )
    # s = logsumexp of the K logits; the generated class's logit is 0
    s_real, s_fake = (math.log(sum(math.exp(v) for v in logits)) for logits in (on_real, on_fake))
    supervised = (cross_entropy(on_real, 0) + 3 * cross_entropy(on_real, 1)) / 4
    assert record["discriminator/supervised"] == pytest.approx(supervised, rel=1e-5)
    assert minimise["discriminator"] == pytest.approx(
        supervised + 0.5 * softplus(-s_real) + 0.5 * softplus(s_fake), rel=1e-5
    )
    assert minimise["generator"] == pytest.approx((1.0 + 0.0 + 4.0) / 3, rel=1e-5)
    assert record["discriminator/labelled_accuracy"] == 0.75


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # K+1 logits, logit 0 says fake; the label of class k is logit k + 1
        ("faithful", lambda real, fake: cross_entropy(real, 2) + softplus(real[0]) + softplus(-fake[0])),
        (
            "k_logits",
            lambda real, fake: (
                cross_entropy(real, 1)
                + 0.5 * softplus(-math.log(sum(map(math.exp, real))))
                + 0.5 * softplus(math.log(sum(map(math.exp, fake))))
            ),
        ),
    ],
)
def test_ssgan_losses(loss, expected):
    on_real, on_fake = [0.5, 1.0, 2.0], [-0.5, 0.25, -1.0]
    size = {"faithful": 3, "k_logits": 2}[loss]
    logits = brightness_discriminator(on_real[:size], on_fake[:size])

    def discriminator(images, training=False):
        brightness = tf.reduce_mean(images, [1, 2])
        return Outputs(logits(images), tf.repeat(brightness, 3, axis=1))

    networks = {"discriminator": discriminator, "generator": black_generator((16, 16, 1), -1.0)}
    system = system_for("ssgan", loss=loss, labelled_batch=0, shift=0.0, rotate=0.0)
    minimise, record = losses_of(system, networks, {"images": white(4, [1, -1, -1, 1])})
    assert minimise["discriminator"] == pytest.approx(expected(on_real[:size], on_fake[:size]), rel=1e-5)
    # white 1 and black -1 in each of three features
    assert record["generator/feature_matching"] == pytest.approx(4.0, rel=1e-5)


def test_sigmoid_cross_entropy_far_from_the_middle():
    # a second sigmoid would keep the loss between 0.31 and 1.31
    logits = tf.constant([[30.0], [-30.0]])
    assert float(losses.sigmoid_cross_entropy(logits[:1], 1.0)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.sigmoid_cross_entropy(logits[1:], 1.0)) == pytest.approx(30.0, rel=1e-6)


def test_masked_cross_entropy_is_the_mean_over_labels():
    logits = tf.constant([[1.0, 2.0, 3.0], [3.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
    got = losses.masked_cross_entropy(logits, tf.constant([2, 1, -1]), first_step())
    want = (cross_entropy([1.0, 2.0, 3.0], 2) + cross_entropy([3.0, 0.0, 0.0], 1)) / 2
    assert float(got) == pytest.approx(want, rel=1e-6)


def test_real_fake_accuracy():
    real, fake = tf.constant([[1.0], [-1.0]]), tf.constant([[-1.0], [-1.0], [-2.0], [3.0]])
    assert float(losses.real_fake_accuracy(real, fake)) == pytest.approx((1 / 2 + 3 / 4) / 2)


def test_feature_matching_has_no_gradient_into_real_features():
    real, fake = tf.Variable(np.ones([4, 3], np.float32)), tf.Variable(np.zeros([4, 3], np.float32))
    with tf.GradientTape() as tape:
        loss = losses.feature_matching(real, fake, first_step())
    gradients = tape.gradient(loss, [real, fake])
    assert gradients[0] is None
    assert float(tf.reduce_max(tf.abs(gradients[1]))) > 0
