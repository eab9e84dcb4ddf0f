"""The recipe `few-labels`: its losses by hand, what it trusts, and what its settings do."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf import losses
from ssgan_tf.class_shares import shares_to_guess
from ssgan_tf.errors import UsageError
from ssgan_tf.networks.alignment import Alignment
from ssgan_tf.networks.strided_classifier import StridedClassifier, strides_of
from ssgan_tf.recipes import load_recipe
from ssgan_tf.systems.recipe import Batch, DataSpec
from ssgan_tf.trusted_targets import trusted_targets
from tests.ssgan_tf.recipe_fixtures import batches_of, build, first_step


def test_what_is_not_trusted_counts_as_no_loss_but_as_an_example():
    logits = tf.constant([[2.0, 0.0], [0.0, 1.0], [5.0, 0.0]])
    found = losses.trusted_cross_entropy(logits, tf.constant([0, 0, 1]), tf.constant([1.0, 1.0, 0.0]))
    by_hand = (np.log1p(np.exp(-2.0)) + np.log1p(np.exp(1.0))) / 3
    assert float(found) == pytest.approx(by_hand, rel=1e-6)


def test_mutual_information_is_that_of_the_classes_of_both_views():
    step = first_step()
    sure = tf.constant(20.0 * np.eye(4, dtype=np.float32))
    # two views that agree on four classes tell log 4 nats of each other
    assert float(losses.mutual_information(sure, sure, step)) == pytest.approx(np.log(4), abs=1e-4)
    assert float(losses.mutual_information(sure, tf.zeros_like(sure), step)) == pytest.approx(0, abs=1e-5)
    one_class = tf.tile(sure[:1], [4, 1])
    assert float(losses.mutual_information(one_class, one_class, step)) == pytest.approx(0, abs=1e-4)


def test_aligned_answers_are_weighed_by_the_prior_over_their_mean():
    answers = tf.constant([[0.8, 0.2], [0.6, 0.4]])
    prior = tf.constant([0.5, 0.5])
    alignment = Alignment(2)
    found = alignment.aligned(answers, prior, first_step()).numpy()
    weighed = answers.numpy() * (np.array([0.5, 0.5]) / np.array([0.7, 0.3]))
    np.testing.assert_allclose(found, weighed / weighed.sum(1, keepdims=True), rtol=1e-5)
    # the first step's mean stands alone; nothing of the start is left in it
    np.testing.assert_allclose(alignment.mean_answer, [0.7, 0.3], rtol=1e-6)
    assert alignment.aligned(answers, None, first_step()) is answers
    shares = alignment.labelled_shares(tf.constant([0, 0, 0, 1]), first_step())
    np.testing.assert_allclose(shares, [0.75, 0.25])
    assert float(alignment.confidence(answers, first_step())) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("side", "strides"),
    [(8, (2, 1, 1)), (28, (2, 2, 2)), (32, (2, 2, 2)), (64, (2, 2, 2, 2)), (128, (2, 2, 2, 2, 2))],
)
def test_maps_are_halved_down_to_four_pixels(side, strides):
    assert strides_of(side) == strides
    network = StridedClassifier(side=side, width=0.25, units=3, averaged=False, dtype="float32")
    features = network(tf.zeros([1, side, side, 1])).features
    last = -(-side // int(np.prod(strides)))
    assert last == 4 and features.shape == (1, last * last * 4 * 2 ** (len(strides) - 1))


def losses_of(system, networks, seed=0):
    step = first_step(seed)
    with step.entered():
        batches = batches_of(system, "few-labels").local(step)
        return system.updates()[0](networks, batches, step)


def test_only_sure_answers_are_trained_on_and_all_labels():
    shares = {}
    with first_step().entered():
        labels = batches_of(build("few-labels"), "few-labels").local(first_step())["images"].label
    known = float(np.mean(labels.numpy() >= 0))
    assert 0.0 < known < 1.0
    for threshold in (0.0, 0.15, 1.0):
        system = build("few-labels", threshold=threshold, generator="none")
        networks = system.build_networks()
        record = losses_of(system, networks).record
        shares[threshold] = float(record["discriminator/trusted_share"])
    assert shares[0.0] == 1.0 and shares[1.0] == pytest.approx(known) and known <= shares[0.15] <= 1.0


def consistency_of(system, networks, **known):
    """The loss on the images' strong views, where all of them are given a label or a guess."""
    step = first_step()
    with step.entered():
        batches = batches_of(system, "few-labels").local(step)
        images = batches["images"]._replace(label=tf.fill([16], -1))
        fields = {name: tf.fill([16], number) for name, number in known.items()}
        batches["images"] = images._replace(**fields)
        return float(system.updates()[0](networks, batches, step).record["discriminator/consistency"])


def test_given_labels_stand_before_sure_answers_and_these_before_guesses():
    sure, unsure = (build("few-labels", threshold=t, prior="uniform", generator="none") for t in (0.0, 1.0))
    networks = sure.build_networks()
    own = consistency_of(sure, networks)
    guessed = [consistency_of(unsure, networks, guess=k) for k in range(10)]
    given = [consistency_of(unsure, networks, label=k) for k in range(10)]
    assert guessed == given and len(set(given)) == 10 and consistency_of(unsure, networks) == 0.0
    for k in range(10):
        assert consistency_of(sure, networks, guess=k) == own
        assert consistency_of(sure, networks, label=k, guess=(k + 1) % 10) == given[k]
        assert consistency_of(unsure, networks, label=k, guess=(k + 1) % 10) == given[k]


def test_estimated_shares_are_those_of_the_guesses_where_there_are_any():
    system = build("few-labels", generator="none")
    labelled = Batch(None, tf.constant([4] * 8))
    images = Batch(None, tf.constant([3, -1, -1, -1]), tf.constant([-1, 5, 5, -1]))
    for guess, expected in ((images.guess, {3: 1 / 3, 5: 2 / 3}), (None, {4: 1.0})):
        alignment = system.build_networks()["discriminator"].alignment
        batches = {"labelled": labelled, "images": images._replace(guess=guess)}
        shares = system._prior(alignment, batches, first_step()).numpy()
        np.testing.assert_allclose(shares, [expected.get(k, 0.0) for k in range(10)], atol=1e-6)


def test_a_batch_without_a_label_moves_no_share():
    alignment = Alignment(2)
    shares = alignment.labelled_shares(tf.constant([-1, -1]), first_step())
    np.testing.assert_allclose(shares, [0.5, 0.5])


def test_an_adaptive_threshold_trusts_some_answers_of_an_unsure_network():
    record = {}
    for form in ("fixed", "adaptive"):
        system = build("few-labels", threshold_form=form, generator="none")
        record[form] = losses_of(system, system.build_networks()).record["discriminator/trusted_share"]
    assert float(record["fixed"]) < float(record["adaptive"]) < 1.0


def targets_of(logits, alignment, images, **changes):
    chosen = {"prior": None, "threshold": 0.0, "adaptive": False} | changes
    return trusted_targets(alignment, logits, images, step=first_step(), **chosen)


def test_what_images_are_trained_towards():
    logits = tf.constant([[9.0, 0.0], [9.0, 0.0], [0.1, 0.0], [0.1, 0.0], [0.1, 0.0], [9.0, 0.0]])
    label = tf.constant([-1, -1, -1, -1, 1, 1])
    guess = tf.constant([-1, 1, -1, 1, -1, -1])
    with_guesses = targets_of(logits, Alignment(2), Batch(None, label, guess), threshold=0.9)
    assert with_guesses.numpy().tolist() == [0, 0, -1, 1, 1, 1]
    without = targets_of(logits, Alignment(2), Batch(None, label), threshold=0.9)
    assert without.numpy().tolist() == [0, 0, -1, -1, 1, 1]


def test_unlabelled_answers_are_no_targets_that_a_gradient_flows_into():
    logits = tf.random.stateless_normal([16, 10], [1, 2])
    alignment = Alignment(10)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        targets = targets_of(logits, alignment, Batch(None, tf.fill([16], -1)))
        total = tf.reduce_sum(tf.cast(targets, tf.float32))
    assert tape.gradient(total, logits) is None


@pytest.mark.parametrize("name", ["uniform", "none", "labelled", "estimated", "3,1,1,1,1,1,1,1,1,1"])
def test_the_prior_decides_what_an_even_answer_becomes(name):
    system = build("few-labels", prior=name, generator="none")
    alignment = system.build_networks()["discriminator"].alignment
    logits = tf.tile(tf.constant([[1.0] + [0.0] * 9]), [16, 1])
    batches = {"labelled": Batch(None, tf.constant([4] * 8)), "images": Batch(None, tf.fill([16], -1))}
    prior = system._prior(alignment, batches, first_step())
    targets = targets_of(logits, alignment, batches["images"], prior=prior)
    # all answers alike are class 0; held to even shares they say nothing; held to the labels, class 4
    expected = {"none": 0, "labelled": 4, "estimated": 4, "3,1,1,1,1,1,1,1,1,1": 0}
    if name in expected:
        assert set(targets.numpy()) == {expected[name]}


@pytest.mark.parametrize("prior", ["1", "1,0", "1,-1", "a,b", "1,nan", "1,inf", "", "unifrm"])
def test_a_prior_that_is_none_is_refused(prior):
    with pytest.raises(
        UsageError, match=r"recipe\.prior must be estimated, uniform, labelled, none, or a number above 0"
    ):
        load_recipe("few-labels").configure("small", {"prior": prior})


def test_a_prior_has_a_share_for_each_class():
    recipe = load_recipe("few-labels")
    settings = recipe.configure("small", {"prior": "1,2,3"})
    with pytest.raises(UsageError, match=r"recipe\.prior gives 3 shares; the data have 10 classes"):
        recipe.build(settings, DataSpec((8, 8, 1), 10))
    assert recipe.build(settings, DataSpec((8, 8, 1), 3)).shares == pytest.approx((1 / 6, 1 / 3, 1 / 2))


def test_the_generator_is_there_where_it_is_asked_for():
    alone, both = build("few-labels", generator="none"), build("few-labels", generator="feature_matching")
    assert alone.generator is None and both.generator == "generator"
    assert set(alone.build_networks()) == set(alone.build_optimizers()) == {"discriminator"}
    assert set(both.build_networks()) == set(both.build_optimizers()) == {"discriminator", "generator"}
    with pytest.raises(UsageError, match="no generator"):
        alone.latent(1, 0)


def test_the_rate_falls_to_nothing_along_the_steps():
    optimizer = build("few-labels", steps=10).build_optimizers()["discriminator"]
    rates = []
    for step in (0, 5, 10):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == pytest.approx([2e-3, 1e-3, 0.0])


def test_guesses_are_held_to_the_shares_of_the_prior():
    labels = np.array([0, 0, 0, 1, -1, -1])
    np.testing.assert_allclose(shares_to_guess("labelled", labels, 3), [0.75, 0.25, 0.0])
    np.testing.assert_allclose(shares_to_guess("uniform", labels, 3), [1 / 3] * 3)
    np.testing.assert_allclose(shares_to_guess("2,1,1", labels, 3), [0.5, 0.25, 0.25])
    assert shares_to_guess("estimated", labels, 3) is None
