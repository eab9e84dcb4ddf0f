"""SavedModels: the same answers from every signature, the weights once, and no Keras object inside."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.errors import UsageError
from ssgan_tf.framing import Framing
from ssgan_tf.metrics.conformal import labels_that_remain
from ssgan_tf.recipes import load_recipe
from ssgan_tf.records import example_bytes
from ssgan_tf.savedmodel import (
    SAMPLE_LIMIT,
    Confidence,
    classifier_probabilities,
    in_float32,
    save_classifier,
    save_generator,
    weights_digest,
)
from ssgan_tf.systems.recipe import DataSpec, Networks, System
from ssgan_tf.training.trained import Trained, TrainingRecord

NAMES = ("zero", "one, two", "drei", "četiri", "5", "6", "7", "8", "9", "10")
RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (6, 8, 8, 1), np.uint8)


def build(loss: str = "faithful", dtype: str = "float32") -> tuple[System, Networks]:
    """A small system whose weights and statistics are all random, so that each of them matters."""
    recipe = load_recipe("ssgan")
    settings = recipe.configure("small", {"width": 0.0625, "loss": loss})
    system = recipe.build(settings, DataSpec((8, 8, 1), len(NAMES)), dtype)
    networks = system.build_networks()
    for network in networks.values():
        for variable in network.variables:
            wide = 1.0 / max(1.0, np.sqrt(np.prod(variable.shape[:-1])))
            values = RNG.normal(0.0, 1.5 * wide, variable.shape)
            variable.assign(0.5 + np.abs(values) if "variance" in variable.name else values)
    return system, networks


@pytest.fixture(scope="module")
def system_and_networks() -> tuple[System, Networks]:
    return build()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, system_and_networks: tuple[System, Networks]) -> Path:
    """A saved classifier and generator."""
    folder = tmp_path_factory.mktemp("saved")
    save_classifier(folder / "classifier", *system_and_networks, NAMES, Confidence(2.0, 0.5))
    save_generator(folder / "generator", *system_and_networks)
    return folder


@pytest.fixture(scope="module")
def classifier(folder: Path):
    return tf.saved_model.load(str(folder / "classifier"))


@pytest.fixture(scope="module")
def generator(folder: Path):
    return tf.saved_model.load(str(folder / "generator"))


def encode(image: np.ndarray) -> bytes:
    return tf.io.encode_png(image).numpy()


def test_all_signatures_answer_as_the_system(classifier, system_and_networks):
    system, networks = system_and_networks
    expected = classifier_probabilities(system, networks, tf.constant(IMAGES), 2.0).numpy()
    assert np.ptp(expected) > 0.05
    pngs = [encode(image) for image in IMAGES]
    examples = [example_bytes(png=png, height=8, width=8, channels=1, label=-1, key="k") for png in pngs]
    signatures = classifier.signatures
    for answers in (
        signatures["serving_default"](image=tf.constant(IMAGES, tf.float32)),
        signatures["serving_uint8"](image=tf.constant(IMAGES)),
        signatures["serving_bytes"](image_bytes=tf.constant(pngs)),
    ):
        np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
        np.testing.assert_array_equal(answers["class_id"], expected.argmax(axis=1))
        assert [label.decode() for label in answers["label"].numpy()] == [
            NAMES[k] for k in expected.argmax(axis=1)
        ]
        np.testing.assert_allclose(answers["confidence"], expected.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(
            answers["real_score"], system.real_score(networks, tf.constant(IMAGES)), atol=1e-6
        )
        np.testing.assert_array_equal(answers["abstain"], answers["confidence"].numpy() < 0.5)
    classified = signatures["classify"](inputs=tf.constant(examples))
    assert set(classified) == {"classes", "scores"}
    np.testing.assert_allclose(classified["scores"], expected, atol=1e-6)
    assert [name.decode() for name in classified["classes"].numpy()[3]] == list(NAMES)


def test_temperature_divides_the_logits(classifier, system_and_networks):
    system, networks = system_and_networks
    logits = system.class_logits(networks, tf.constant(IMAGES))
    answers = classifier.signatures["serving_uint8"](image=tf.constant(IMAGES))
    np.testing.assert_allclose(answers["probabilities"], tf.nn.softmax(logits / 2.0), atol=1e-6)


def test_an_answer_does_not_depend_on_its_batch(classifier):
    function = classifier.signatures["serving_uint8"]
    together = function(image=tf.constant(IMAGES))["probabilities"].numpy()
    for row in range(len(IMAGES)):
        alone = function(image=tf.constant(IMAGES[row : row + 1]))["probabilities"].numpy()
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


def test_float_pixels_are_not_rounded(classifier):
    function = classifier.signatures["serving_default"]
    low, high = (function(image=tf.fill([1, 8, 8, 1], value))["probabilities"] for value in (100.0, 100.4))
    assert np.abs(low - high).max() > 0


def test_bytes_of_any_size_and_channels_are_brought_to_the_record_size(classifier):
    colour = RNG.integers(0, 256, (1, 1, 3), np.uint8)
    big = np.broadcast_to(colour, (40, 56, 3))
    grey = tf.image.rgb_to_grayscale(colour).numpy()
    small = np.broadcast_to(grey, (1, 8, 8, 1))
    expected = classifier.signatures["serving_uint8"](image=tf.constant(small))["probabilities"]
    for encoded in (encode(big), encode(small[0]), tf.io.encode_jpeg(small[0], quality=100).numpy()):
        answers = classifier.signatures["serving_bytes"](image_bytes=tf.constant([encoded]))
        np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)


def test_weights_are_stored_once_and_alone(folder, system_and_networks):
    _, networks = system_and_networks
    for kind, name in (("classifier", "discriminator"), ("generator", "generator")):
        parameters = 4 * networks[name].count_params()
        stored = sum(path.stat().st_size for path in (folder / kind / "variables").iterdir())
        assert parameters <= stored <= 1.1 * parameters + 4096
        shapes = [
            tuple(shape)
            for key, shape in tf.train.list_variables(str(folder / kind / "variables" / "variables"))
            if not key.startswith("_CHECKPOINTABLE")
        ]
        assert sorted(shapes) == sorted(tuple(v.shape) for v in networks[name].variables)


def test_one_pass_of_the_network_gives_class_and_real_score(classifier):
    """Both read every weight through one tensor; a second read would be a second pass."""
    library = classifier.signatures["serving_default"].graph.as_graph_def().library.function
    reads = [
        sum(node.op == "ReadVariableOp" for node in function.node_def)
        for function in library
        if any(node.op == "Conv2D" for node in function.node_def)
    ]
    _, networks = build()
    assert reads == [len(networks["discriminator"].variables)]


def test_labels_that_remain_are_those_that_reach_their_threshold(tmp_path, system_and_networks):
    """As the sets are counted on the images tested on; the most probable first, then nothing."""
    # the second most probable label of the first image is gone, the less probable ones are there
    second = int(np.argsort(classifier_probabilities(*system_and_networks, IMAGES, 3.0)[0])[-2])
    lows = tuple(0.99 if k == second else 0.001 for k in range(len(NAMES)))
    promise = {"state": "promised", "sentence": "It answers."}
    save_classifier(
        tmp_path / "sets", *system_and_networks, NAMES, Confidence(3.0, 0.25, lows, promise, {"alpha": 0.1})
    )
    signatures = tf.saved_model.load(str(tmp_path / "sets")).signatures
    answers = signatures["serving_uint8"](image=tf.constant(IMAGES))
    probabilities = answers["probabilities"].numpy()
    expected = labels_that_remain(probabilities, lows)
    assert 1 < expected.sum(axis=1).mean() < len(NAMES)
    for row, remain, sizes in zip(
        answers["labels_that_remain"].numpy(), expected, probabilities, strict=True
    ):
        order = [NAMES[k] for k in np.argsort(-sizes, kind="stable") if remain[k]]
        assert [label.decode() for label in row] == order + [""] * (len(NAMES) - len(order))
    np.testing.assert_array_equal(answers["abstain"], answers["confidence"] < 0.25)
    no_picture = signatures["serving_default"](image=tf.fill([1, 8, 8, 1], np.nan))
    assert set(no_picture["labels_that_remain"].numpy()[0]) == {b""}
    told = json.loads((tmp_path / "sets" / "assets" / "confidence.json").read_text())
    assert told == {
        "temperature": 3.0,
        "abstain_below": 0.25,
        "promise": promise,
        "label_sets": {"alpha": 0.1},
    }


def test_class_names_are_an_asset(folder):
    text = (folder / "classifier" / "assets" / "class_names.txt").read_text(encoding="utf-8")
    assert text.split("\n")[:-1] == list(NAMES)


def test_generator_from_noise_and_from_a_seed(generator, system_and_networks):
    system, networks = system_and_networks
    latent = system.latent(5, 3)
    expected = system.generate(networks, latent).numpy()
    assert expected.std() > 1
    for name in ("serving_default", "generate"):
        np.testing.assert_array_equal(generator.signatures[name](z=latent)["images"], expected)
    sample = generator.signatures["sample"]
    for count, seed in ((5, 3), ([5], [3])):
        drawn = sample(count=tf.constant(count), seed=tf.constant(seed))["images"]
        np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize("count", [0, -1, SAMPLE_LIMIT + 1])
def test_sample_refuses_counts_that_make_no_sense(generator, count):
    with pytest.raises(tf.errors.InvalidArgumentError, match="count must be from 1"):
        generator.signatures["sample"](count=tf.constant(count), seed=tf.constant(0))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_served_in_float32(dtype):
    system, networks = build(dtype=dtype)
    settings = dataclasses.asdict(system.settings)
    record = TrainingRecord("ssgan", settings, (8, 8, 1), NAMES, dtype, 0, {})
    full_system, full = in_float32(Trained(record, system, networks, 1))
    assert full_system.dtype == "float32"
    assert {layer.compute_dtype for layer in full["discriminator"].body} == {"float32"}
    assert weights_digest(full["discriminator"]) == weights_digest(networks["discriminator"])
    exact = classifier_probabilities(full_system, full, tf.constant(IMAGES))
    rough = classifier_probabilities(system, networks, tf.constant(IMAGES))
    assert 0 < np.abs(exact - rough).max() < 0.1


def test_digest_changes_with_one_weight(system_and_networks):
    _, networks = system_and_networks
    network = networks["generator"]
    before = weights_digest(network)
    variable = network.variables[0].value
    kept = variable.numpy()
    changed = kept.copy()
    changed.flat[0] += 1e-6
    variable.assign(changed)
    assert weights_digest(network) != before
    variable.assign(kept)
    assert weights_digest(network) == before


def test_a_system_without_one_of_the_networks_says_so(tmp_path, system_and_networks):
    system, networks = system_and_networks

    class Neither(type(system)):
        classifier = None
        generator = None

    neither = Neither(system.settings, system.data)
    with pytest.raises(UsageError, match="no classifier"):
        save_classifier(tmp_path / "c", neither, networks, NAMES)
    with pytest.raises(UsageError, match="no generator"):
        save_generator(tmp_path / "g", neither, networks)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 511.0, -256.0, 65_535.0])
def test_what_is_no_picture_in_0_to_255_is_abstained_from(classifier, value):
    images = IMAGES.astype(np.float32)
    expected = classifier.signatures["serving_default"](image=tf.constant(images))
    images[2, 3, 4, 0] = value
    answers = classifier.signatures["serving_default"](image=tf.constant(images))
    assert answers["abstain"][2] and answers["confidence"][2] == 0 and answers["real_score"][2] == 0
    assert not np.any(answers["probabilities"][2])
    others = [0, 1, 3, 4, 5]
    for name in ("probabilities", "abstain", "real_score"):
        np.testing.assert_array_equal(answers[name].numpy()[others], expected[name].numpy()[others])
    images[2, 3, 4, 0] = 510.0
    assert classifier.signatures["serving_default"](image=tf.constant(images))["confidence"][2] > 0


def test_files_are_framed_as_the_training_data(tmp_path, system_and_networks):
    clear = tf.io.encode_png(np.zeros((8, 3, 4), np.uint8)).numpy()
    for level in (0, 200):
        framing = Framing("fit", level)
        save_classifier(tmp_path / str(level), *system_and_networks, NAMES, framing=framing)
        signatures = tf.saved_model.load(str(tmp_path / str(level))).signatures
        flat = tf.fill([1, 8, 8, 1], tf.constant(level, tf.uint8))
        np.testing.assert_array_equal(
            signatures["serving_bytes"](image_bytes=tf.constant([clear]))["probabilities"],
            signatures["serving_uint8"](image=flat)["probabilities"],
        )
