"""What holds for every recipe: presets, pixel ranges, sampling, scores, and the labels that it sees."""

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf import points
from ssgan_tf.errors import UsageError
from ssgan_tf.recipes import load_recipe, recipe_names
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.averages import raw_variables
from ssgan_tf.training.batches import MemoryBatches
from tests.ssgan_tf.recipe_fixtures import FORMS, IDS, batches_of, build, first_step, image_shape

OWN = [name for name in recipe_names() if name != "supervised"]
SEMI_SUPERVISED = [name for name in OWN if load_recipe(name).semi_supervised]
UNSUPERVISED = [name for name in OWN if not load_recipe(name).needs_labels]


def built(recipe, **settings):
    system = build(recipe, **settings)
    networks = system.build_networks()
    system.initialise(networks, batches_of(system, recipe).first_images(64))
    return system, networks


def images_for(recipe, count, seed=5):
    system = build(recipe)
    return batches_of(system, recipe, seed).images[:count]


@pytest.mark.parametrize("recipe", OWN)
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3)], ids=str)
def test_small_preset_fits_the_data(recipe, shape):
    if recipe == "gaussian":
        pytest.skip("trains on points")
    chosen = load_recipe(recipe)
    system = chosen.build(chosen.configure("small", {}), DataSpec(shape, 10))
    networks = system.build_networks()
    if system.generator is None:
        assert system.class_logits(networks, tf.zeros([3, *shape], tf.uint8)).shape == (3, 10)
        return
    images = system.generate(networks, system.latent(3, 0))
    assert images.dtype == tf.uint8
    assert images.shape[0] == 3 and images.shape[3] == shape[2]


@pytest.mark.parametrize("recipe", recipe_names())
def test_settings_survive_their_description(recipe):
    chosen = load_recipe(recipe)
    settings = chosen.configure("small", {})
    assert chosen.configure("full", chosen.describe(settings)) == settings


@pytest.mark.parametrize("recipe", OWN)
def test_sampling_is_in_inference_mode(recipe):
    system, networks = built(recipe)
    latent = system.latent(4, 0)
    # outside of a step a stochastic layer in training mode raises; inside it would draw
    outside = system.generate(networks, latent)
    with first_step().entered():
        inside = system.generate(networks, latent)
    np.testing.assert_array_equal(outside, inside)


def test_dropout_of_the_ssgan_generator_is_off_when_sampling():
    system, networks = built("ssgan", dropout=0.5)
    latent = system.latent(4, 0)
    with first_step().entered():
        training = networks["generator"](latent, training=True)
    sampling = networks["generator"](latent)
    assert float(tf.reduce_max(tf.abs(training - sampling))) > 1e-4
    with pytest.raises(RuntimeError, match="StepContext"):
        networks["generator"](latent, training=True)


@pytest.mark.parametrize("recipe", OWN)
def test_latent_is_a_function_of_the_seed(recipe):
    system = build(recipe)
    np.testing.assert_array_equal(system.latent(5, 3), system.latent(5, 3))
    assert not np.array_equal(system.latent(5, 3), system.latent(5, 4))


@pytest.mark.parametrize(("recipe", "low"), [("gan", 0.0), ("dcgan", -1.0)])
def test_pixels_end_exactly_at_the_range(recipe, low):
    system = build(recipe)
    images = tf.constant(np.array([0, 255], np.uint8).repeat(64).reshape(2, 8, 8, 1))
    scaled = system.scaled(images)
    assert float(tf.reduce_min(scaled)) == low
    assert float(tf.reduce_max(scaled)) == 1.0
    np.testing.assert_array_equal(tf.reshape(system.unscaled(scaled), images.shape), images)


@pytest.mark.parametrize("recipe", OWN)
def test_real_score_takes_the_sigmoid_once(recipe):
    system, networks = built(recipe)
    variables = raw_variables(networks["discriminator"])
    head = next(v for v in reversed(variables) if v.shape.rank == 2 or "scale" in v.name)
    head.assign(head * 1e5)
    scores = system.real_score(networks, images_for(recipe, 32)).numpy()
    assert scores.shape == (32,)
    assert (scores >= 0).all() and (scores <= 1).all()
    # twice would leave the scores between 0.5 and 0.73
    assert np.max(np.abs(scores - 0.6)) > 0.2


@pytest.mark.parametrize("recipe", UNSUPERVISED)
def test_without_labels_there_is_no_classifier(recipe):
    system, networks = built(recipe)
    assert load_recipe(recipe).baseline is None
    with pytest.raises(UsageError, match="trained without labels"):
        system.class_logits(networks, images_for(recipe, 2))


@pytest.mark.parametrize("recipe", SEMI_SUPERVISED)
def test_class_logits_leave_out_the_generated_class(recipe):
    system, networks = built(recipe, classes=7)
    assert system.class_logits(networks, images_for(recipe, 3)).shape == (3, 7)


@pytest.mark.parametrize("recipe", SEMI_SUPERVISED)
def test_supervised_pairs_with(recipe):
    pair, baseline = build(recipe), build("supervised", of=recipe)
    assert all(stream.labelled_only for stream in baseline.streams().values())
    assert baseline.settings.steps == pair.settings.steps
    chosen = load_recipe("supervised")
    assert chosen.loop_options("small", baseline.settings) == load_recipe(recipe).loop_options(
        "small", pair.settings
    )
    networks = baseline.build_networks()
    baseline.initialise(networks, batches_of(baseline, recipe).first_images(64))
    own = pair.build_networks()[pair.classifier]
    assert [v.shape for v in raw_variables(networks["discriminator"])] == [
        v.shape for v in raw_variables(own)
    ]
    images = images_for(recipe, 5)
    np.testing.assert_array_equal(
        baseline.class_logits(networks, images), pair.class_logits(networks, images)
    )


@pytest.mark.parametrize(("recipe", "settings"), FORMS, ids=IDS)
def test_the_same_labels_in_every_epoch(recipe, settings):
    if recipe == "gaussian":
        pytest.skip("has no labels")
    system = build(recipe, **settings)
    count, labelled = 60, 12
    images = np.zeros([count, *image_shape(recipe)], np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    labels = np.where(np.arange(count) < labelled, 1, -1).astype(np.int32)
    batches = MemoryBatches(images, labels, system.streams(), seed=2)
    epochs, seen = 7, set()
    for step in range(epochs * count // min(s.batch_size for s in system.streams().values()) + 1):
        for batch in batches.local(StepContext(2, tf.constant(step))).values():
            rows = batch.image[:, 0, 0, 0].numpy()[batch.label.numpy() >= 0]
            seen |= set(rows.tolist())
    # a mask drawn anew in each of seven epochs would have shown most of the images' labels
    assert seen == set(range(labelled))


def test_an_image_of_improved_gan_depends_little_on_its_batch():
    system, networks = built("improved-gan")
    latent = system.latent(40, 0)
    together = system.generate(networks, latent).numpy().astype(int)
    alone = np.concatenate([system.generate(networks, latent[i : i + 1]) for i in range(4)]).astype(int)
    # the statistics of one image alone would make all of them equal
    assert np.abs(alone[0] - alone[1]).max() > 0
    assert np.abs(alone - together[:4]).mean() < 0.3 * np.abs(alone[0] - alone[1]).mean()


def test_improved_gan_optimizers():
    for optimizer in build("improved-gan").build_optimizers().values():
        assert optimizer.epsilon == 1e-4
        assert optimizer.beta_1 == 0.5


def test_gaussian_takes_points_only():
    chosen = load_recipe("gaussian")
    with pytest.raises(UsageError, match="data.dataset=gaussian"):
        chosen.build(chosen.configure("small", {}), DataSpec((28, 28, 1), 10))


def test_points_pass_through_records_unchanged():
    drawn = points.draw_points(50, 1)
    records = points.to_records(drawn)
    assert records.dtype == np.uint8 and records.shape == (50, 1, 8, 1)
    np.testing.assert_array_equal(points.from_records(records), drawn)
    system = build("gaussian")
    np.testing.assert_array_equal(system.scaled(tf.constant(records)), drawn)
    np.testing.assert_array_equal(system.unscaled(tf.constant(drawn)), records)


def sample_metrics(system, images):
    return {figure.name: figure.value for figure in system.sample_figures(images)}


def test_gaussian_metrics_know_the_truth():
    system = build("gaussian")
    metrics = sample_metrics(system, points.to_records(points.draw_points(20_000, 0)))
    assert metrics["mean_difference"] < 0.05
    assert metrics["covariance_difference"] < 0.05
    np.testing.assert_allclose(metrics["true_covariance"], [[1.01, 1.95], [1.95, 4.25]])
    shifted = points.to_records(points.draw_points(20_000, 0) * 2)
    assert sample_metrics(system, shifted)["covariance_difference"] == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("form", ["text", "listing"])
def test_dcgan_layers_of_the_document_need_16_pixels(form):
    chosen = load_recipe("dcgan")
    with pytest.raises(UsageError, match=f"at least 16, or 0, with recipe.form={form}; got 12"):
        chosen.build(chosen.configure("small", {"form": form, "image_size": 12}), DataSpec((8, 8, 1), 10))
    for size, side in ((0, 16), (16, 16), (28, 28)):
        settings = chosen.configure("small", {"form": form, "image_size": size, "width": 0.0625})
        system = chosen.build(settings, DataSpec((8, 8, 1), 10))
        images = system.generate(system.build_networks(), system.latent(2, 0))
        assert images.shape == (2, side, side, 1)


@pytest.mark.parametrize("size", [6, 30, 300])
def test_image_sides_that_cannot_be_halved_twice_are_refused(size):
    chosen = load_recipe("dcgan")
    with pytest.raises(UsageError, match=f"multiple of 4.*got {size}"):
        chosen.build(chosen.configure("full", {"image_size": size}), DataSpec((28, 28, 1), 10))
