"""The preset `documented` of every recipe against tables of what its document says.

Layers, initial weights, losses, optimizers, batch, steps, noise, pictures and intervals. The losses are
worked out in NumPy from networks whose answers are given.
"""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf import points
from ssgan_tf.networks.convolutions import Conv2D, Conv2DTranspose
from ssgan_tf.networks.dcgan_pair import Outputs
from ssgan_tf.networks.layers import BatchNormalization, Dropout, GaussianNoise
from ssgan_tf.networks.weight_norm import WeightNormClassifier, WeightNormDense
from ssgan_tf.recipes import load_recipe, recipe_names
from ssgan_tf.systems.adversarial import AdversarialGame
from ssgan_tf.systems.recipe import Batch, DataSpec
from tests.ssgan_tf.recipe_fixtures import first_step

# layer by layer: kernel, stride, filters, padding; and what it gives for an image of 28x28, ssgan's of 64x64
LAYERS = {
    "ssgan discriminator": """
        conv 4 2 128 same bias leaky 0.2 -> 32x32x128
        dropout 0.3 -> 32x32x128
        conv 4 2 256 same bias leaky 0.2 -> 16x16x256
        batch norm -> 16x16x256
        dropout 0.3 -> 16x16x256
        conv 4 4 512 same bias leaky 0.2 -> 4x4x512
        batch norm -> 4x4x512
        dropout 0.3 -> 4x4x512
        conv 3 1 1024 valid bias leaky 0.2 -> 2x2x1024
        mean over pixels -> 1024
        dense 11 bias -> 11
    """,
    "ssgan generator": """
        deconv 4 1 512 valid bias relu -> 4x4x512
        batch norm -> 4x4x512
        dropout 0.3 -> 4x4x512
        deconv 4 4 256 same bias relu -> 16x16x256
        batch norm -> 16x16x256
        dropout 0.3 -> 16x16x256
        deconv 4 2 128 same bias relu -> 32x32x128
        batch norm -> 32x32x128
        dropout 0.3 -> 32x32x128
        deconv 4 2 1 same bias -> 64x64x1
        tanh -> 64x64x1
    """,
    "gaussian discriminator": """
        dense 5 bias tanh -> 5
        dense 3 bias tanh -> 3
        dense 1 bias -> 1
    """,
    "gaussian generator": "dense 2 bias -> 2",
    "gan discriminator": """
        dense 128 bias relu -> 128
        dense 1 bias -> 1
    """,
    "gan generator": """
        dense 128 bias relu -> 128
        dense 784 bias -> 784
        sigmoid -> 784
    """,
    "dcgan discriminator": """
        conv 5 1 64 same bias leaky 0.3 -> 28x28x64
        conv 5 2 128 valid -> 12x12x128
        batch norm -> 12x12x128
        leaky 0.3 -> 12x12x128
        conv 5 2 128 valid -> 4x4x128
        batch norm -> 4x4x128
        leaky 0.3 -> 4x4x128
        flatten -> 2048
        dense 1 bias -> 1
    """,
    "dcgan generator": """
        dense 12544 bias -> 12544
        reshape -> 7x7x256
        deconv 3 2 128 same -> 14x14x128
        batch norm -> 14x14x128
        leaky 0.3 -> 14x14x128
        deconv 3 1 64 same -> 14x14x64
        batch norm -> 14x14x64
        leaky 0.3 -> 14x14x64
        deconv 3 2 1 same bias -> 28x28x1
        tanh -> 28x28x1
    """,
    "dcgan-listing discriminator": """
        conv 5 1 64 same bias leaky 0.3 -> 28x28x64
        conv 5 2 128 valid bias leaky 0.3 -> 12x12x128
        conv 5 2 128 valid bias -> 4x4x128
        flatten -> 2048
        dense 1024 bias leaky 0.3 -> 1024
        dense 1 bias -> 1
    """,
    "dcgan-listing generator": """
        dense 6272 bias leaky 0.3 -> 6272
        batch norm -> 6272
        leaky 0.3 -> 6272
        reshape -> 7x7x128
        deconv 3 2 64 same bias leaky 0.3 -> 14x14x64
        deconv 3 2 1 same bias -> 28x28x1
        tanh -> 28x28x1
    """,
    "sgan discriminator": """
        conv 5 2 64 same bias leaky 0.3 -> 14x14x64
        dropout 0.3 -> 14x14x64
        conv 5 2 128 same bias leaky 0.3 -> 7x7x128
        dropout 0.3 -> 7x7x128
        flatten -> 6272
        dense 12 bias -> 12
    """,
    "sgan generator": """
        dense 12544 -> 12544
        batch norm -> 12544
        leaky 0.3 -> 12544
        reshape -> 7x7x256
        deconv 5 1 128 same -> 7x7x128
        batch norm -> 7x7x128
        leaky 0.3 -> 7x7x128
        deconv 5 2 64 same -> 14x14x64
        batch norm -> 14x14x64
        leaky 0.3 -> 14x14x64
        deconv 5 2 1 same -> 28x28x1
        tanh -> 28x28x1
    """,
    "improved-gan discriminator": """
        flatten -> 784
        noise 0.3 -> 784
        weight norm 1000 bias -> 1000
        relu -> 1000
        noise 0.5 -> 1000
        weight norm 500 bias -> 500
        relu -> 500
        noise 0.5 -> 500
        weight norm 250 bias -> 250
        relu -> 250
        noise 0.5 -> 250
        weight norm 250 bias -> 250
        relu -> 250
        noise 0.5 -> 250
        weight norm 250 bias -> 250
        relu -> 250
        noise 0.5 -> 250
        weight norm 10 bias, g trained -> 10
    """,
    "improved-gan generator": """
        dense 500 -> 500
        batch norm, no scale, always the batch's -> 500
        softplus -> 500
        dense 500 -> 500
        batch norm, no scale, always the batch's -> 500
        softplus -> 500
        weight norm 784 bias, g trained -> 784
        sigmoid -> 784
        reshape -> 28x28x1
    """,
}

# rate, beta_1, beta_2, epsilon of the discriminator's and the generator's Adam; what the document does not
# name is Adam's usual, but for improved-gan's epsilon, whose place differs
ADAM = {
    "ssgan": [(2e-4, 0.5, 0.999, 1e-7), (2e-4, 0.5, 0.999, 1e-7)],
    "gaussian": [(0.05, 0.9, 0.999, 1e-8), (0.005, 0.9, 0.999, 1e-8)],
    "gan": [(1e-3, 0.9, 0.999, 1e-7), (1e-3, 0.9, 0.999, 1e-7)],
    "dcgan": [(1e-3, 0.9, 0.999, 1e-7), (1e-3, 0.9, 0.999, 1e-7)],
    "sgan": [(1e-4, 0.9, 0.999, 1e-7), (1e-4, 0.9, 0.999, 1e-7)],
    "improved-gan": [(0.003, 0.5, 0.999, 1e-4), (0.003, 0.5, 0.999, 1e-4)],
}

# images of each stream, steps, noise, images along a side of the grid; and what of the loop is documented
SIZES = {
    "ssgan": ({"images": 128}, 2344, ("normal", 100), 5),  # 5 epochs of 60,000
    "gaussian": ({"images": 8}, 2500, ("normal", 2), None),  # 20 epochs of 1,000
    "gan": ({"images": 128}, 10_000, (-1.0, 1.0, 100), 4),
    "dcgan": ({"images": 128}, 20_000, ("normal", 100), 4),
    "sgan": ({"images": 256}, 23_438, ("normal", 100), 4),  # 100 epochs
    "improved-gan": ({"labelled": 100, "unlabelled": 100, "matched": 100}, 180_000, (0.0, 1.0, 100), 5),
}
LOOP = {
    "ssgan": {"average_decay": 0.0, "image_every": 469},
    "gaussian": {"average_decay": 0.0},
    "gan": {"average_decay": 0.0, "histogram_every": 100, "image_every": 1000},
    "dcgan": {"average_decay": 0.0, "image_every": 1000},
    "sgan": {"average_decay": 0.0, "image_every": 234},
    "improved-gan": {"average_decay": 0.9999},
}
DATA = {
    "ssgan": {"data.dataset": "{mnist}", "data.labeled_rate": 0.2},
    "gaussian": {"data.dataset": "gaussian"},
    "gan": {"data.dataset": "{mnist}"},
    "dcgan": {"data.dataset": "{mnist}"},
    "sgan": {"data.dataset": "{mnist}", "data.labeled_rate": 0.2},
    "improved-gan": {"data.dataset": "{mnist}", "data.labels_per_class": 10},
}
OWN = [name for name in recipe_names() if "documented" in load_recipe(name).presets]


def system_of(name, classes=10, **settings):
    recipe = load_recipe(name)
    shape = points.POINT_SHAPE if name == "gaussian" else (28, 28, 1)
    return recipe.build(recipe.configure("documented", settings), DataSpec(shape, classes))


def activation_of(function):
    low, high = function(tf.constant([-1.0, 2.0])).numpy().astype(float)
    named = {
        "": (-1.0, 2.0),
        "relu": (0.0, 2.0),
        "tanh": (np.tanh(-1.0), np.tanh(2.0)),
        "sigmoid": (1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(-2.0))),
        "softplus": (np.log1p(np.exp(-1.0)), np.log1p(np.exp(2.0))),
    }
    for name, values in named.items():
        if np.allclose((low, high), values, atol=1e-6):
            return name
    assert high == 2.0 and low < 0
    return f"leaky {-low:.6g}"


def words_of(layer):
    """A layer in the words of `LAYERS`."""
    if isinstance(layer, Conv2D | Conv2DTranspose):
        kind = "conv" if isinstance(layer, Conv2D) else "deconv"
        (kernel,), (stride,) = {*layer.kernel_size}, {*layer.strides}
        words = f"{kind} {kernel} {stride} {layer.filters} {layer.padding}"
    elif isinstance(layer, keras.layers.Dense):
        words = f"dense {layer.units}"
    elif isinstance(layer, WeightNormDense):
        return f"weight norm {layer.units} bias" + (", g trained" if layer.train_scale else "")
    elif isinstance(layer, BatchNormalization):
        return (
            "batch norm"
            + ("" if layer.scale else ", no scale")
            + (", always the batch's" if layer.always_batch else "")
        )
    elif isinstance(layer, Dropout):
        return f"dropout {layer.rate:g}"
    elif isinstance(layer, GaussianNoise):
        return f"noise {layer.stddev:g}"
    elif isinstance(layer, keras.layers.Activation):
        return activation_of(layer.activation)
    else:
        return type(layer).__name__.lower()
    bias = " bias" if layer.use_bias else ""
    return f"{words}{bias} {activation_of(layer.activation or keras.activations.linear)}".strip()


def parts_of(network):
    """What a network is made of, in order, each in words and as a function."""
    given = {
        "flatten": lambda x: tf.reshape(x, [x.shape[0], -1]),
        "mean over pixels": lambda x: tf.reduce_mean(x, [1, 2]),
        "relu": tf.nn.relu,
        "tanh": tf.tanh,
    }
    if isinstance(network, WeightNormClassifier):
        layers = ["flatten"]
        for noise, layer in zip(network.noises, network.hidden, strict=False):
            layers += [noise, layer, "relu"]
        layers += [network.noises[-1], network.head]
        assert len(network.noises) == len(network.hidden) + 1
    else:
        layers = list(network.body)
        if hasattr(network, "head"):
            layers += ["mean over pixels", network.head]
        elif type(network).__name__ == "Generator":
            layers += ["tanh"]
            layers.insert(0, "onto one pixel")
            given["onto one pixel"] = lambda x: x[:, tf.newaxis, tf.newaxis, :]
    return [(layer, given[layer]) if isinstance(layer, str) else (words_of(layer), layer) for layer in layers]


@pytest.mark.parametrize(
    "form", ["ssgan", "gaussian", "gan", "dcgan", "dcgan-listing", "sgan", "improved-gan"]
)
def test_layers(form):
    name = form.removesuffix("-listing")
    system = system_of(name, **({"form": "listing"} if name != form else {}))
    networks = system.build_networks()
    assert set(networks) == {"discriminator", "generator"}
    latent = system.latent(2, 0)
    for role, inputs in (("generator", latent), ("discriminator", networks["generator"](latent))):
        x, seen = inputs, []
        for words, part in parts_of(networks[role]):
            x = part(x)
            if words != "onto one pixel":
                seen.append(f"{words} -> {'x'.join(map(str, x.shape[1:]))}")
        assert seen == [line.strip() for line in LAYERS[f"{form} {role}"].strip().splitlines()]
        # the network is these parts, one after the other
        outputs = networks[role](inputs)
        np.testing.assert_allclose(getattr(outputs, "logits", outputs), x, rtol=1e-4, atol=1e-5)
        trained = {id(variable) for _, part in parts_of(networks[role])
                   for variable in getattr(part, "trainable_variables", [])}  # fmt: skip
        assert trained == {id(variable) for variable in networks[role].trainable_variables}


def test_matched_features_are_those_before_the_last_layer():
    for name, width in (("ssgan", 1024), ("improved-gan", 250)):
        system = system_of(name)
        networks = system.build_networks()
        images = networks["generator"](system.latent(2, 0))
        features = networks["discriminator"](images).features
        assert features.shape == (2, width)
        *before, _ = [part for words, part in parts_of(networks["discriminator"]) if "noise" not in words]
        x = images
        for part in before:
            x = part(x)
        np.testing.assert_allclose(features, x, rtol=1e-4, atol=1e-5)


def test_initial_weights():
    deviations = {"gaussian": lambda _: 0.02, "gan": lambda inputs: 1 / np.sqrt(inputs / 2)}
    for name, deviation in deviations.items():
        for network in system_of(name).build_networks().values():
            for layer in (layer for layer in network.body if isinstance(layer, keras.layers.Dense)):
                # a normal distribution, not cut off
                drawn = np.asarray(layer.kernel_initializer((layer.kernel.shape[0], 20_000)))
                assert drawn.std() == pytest.approx(deviation(layer.kernel.shape[0]), rel=0.02)
                assert np.abs(drawn).max() > 3.5 * drawn.std() and not np.any(layer.bias)
    discriminator = system_of("improved-gan").build_networks()["discriminator"]
    for layer in [*discriminator.hidden, discriminator.head]:
        assert np.std(layer.direction) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("name", OWN)
def test_optimizers(name):
    built = system_of(name).build_optimizers()
    assert set(built) == {"discriminator", "generator"}
    for optimizer, (rate, *rest) in zip(
        (built["discriminator"], built["generator"]), ADAM[name], strict=True
    ):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(rate)
        assert [optimizer.beta_1, optimizer.beta_2, optimizer.epsilon] == rest
        assert not optimizer.weight_decay and not optimizer.clipnorm and not optimizer.use_ema


def assert_is_noise(z, kind):
    *limits, size = kind
    values = np.asarray(z).ravel()
    assert z.shape[1] == size
    if limits == ["normal"]:
        assert abs(values.mean()) < 0.3 and values.std() == pytest.approx(1.0, abs=0.3)
        assert np.abs(values).max() > 1.5
    else:
        low, high = limits
        assert (
            low <= values.min() < low + 0.1 * (high - low)
            and high - 0.1 * (high - low) < values.max() <= high
        )
        assert values.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.15)


@pytest.mark.parametrize("name", OWN)
def test_batch_steps_noise_and_pictures(name):
    streams, steps, noise, side = SIZES[name]
    system = system_of(name)
    assert {key: stream.batch_size for key, stream in system.streams().items()} == streams
    assert system.settings.steps == steps
    assert_is_noise(system.latent(60, 1), noise)
    if isinstance(system, AdversarialGame):
        assert_is_noise(system.noise(first_step(), 60), noise)
    if side:
        line = side * ((64 if name == "ssgan" else 28) + 1) - 1
        assert system.picture(system.build_networks(), 0, tf.zeros([])).shape == (line, line, 1)
    recipe = load_recipe(name)
    assert recipe.loop_options("documented", system.settings) == LOOP[name]
    assert recipe.reproduction.settings == {**DATA[name], "train.preset": "documented"}


def test_the_baseline_has_its_pairs_document():
    supervised = load_recipe("supervised")
    for name in (name for name in OWN if load_recipe(name).baseline):
        settings = supervised.configure("documented", {"of": name})
        pair = load_recipe(name)
        assert settings.pair == pair.configure("documented", {})
        assert supervised.loop_options("documented", settings) == LOOP[name]


# Losses ------------------------------------------------------------------------------------------

LABELS = np.array([1, -1, 0])
LEVELS = np.array([0, 102, 255])


class GivenNetworks:
    """Networks with known answers: an image is known by its first value, which z gives to generated ones.

    The discriminator's answers double with each of its updates, so that what sees the updated one shows.
    """

    def __init__(self, outputs, shape, features=False):
        self.slope = np.linspace(0.5, -1.0, outputs).astype(np.float32)
        self.offset = np.linspace(-0.75, 0.5, outputs).astype(np.float32)
        self.shape, self.features, self.factor = shape, features, 1.0
        self.latent, self.judged = [], []

    def logits(self, values):
        return self.factor * (np.asarray(values)[:, None] * self.slope + self.offset)

    def matched(self, values):
        values = np.asarray(values)[:, None]
        return self.factor * np.concatenate([values, values**2, 1 - values], 1)

    def made(self, update):
        return np.tanh(np.asarray(self.latent[update])[:, 0])

    def discriminator(self, images, training=False):
        assert training
        assert images.shape[1:] == self.shape
        values = tf.reshape(images, [images.shape[0], -1])[:, 0].numpy()
        self.judged.append(values)
        logits = tf.constant(self.logits(values), tf.float32)
        return Outputs(logits, tf.constant(self.matched(values), tf.float32)) if self.features else logits

    def generator(self, z, training=False):
        assert training
        self.latent.append(z.numpy())
        first = tf.reshape(tf.tanh(z[:, 0]), [-1, *(1 for _ in self.shape)])
        return tf.tile(first, [1, *self.shape])


def softplus(x):
    return np.log1p(np.exp(x))


def cross_entropy(logits, labels):
    rows = np.arange(len(labels))
    return np.log(np.exp(logits).sum(1)) - logits[rows, labels]


def outcome(name, outputs, shape, *, streams=("images",), features=False, real=None, **settings):
    """Runs a step's updates on three images; returns the networks, and each update's losses and records."""
    system = system_of(name, classes=2, **settings)
    given = GivenNetworks(outputs, shape, features)
    networks = {"discriminator": given.discriminator, "generator": given.generator}
    images = tf.constant(LEVELS, tf.uint8)[:, None, None, None] * tf.ones([1, 28, 28, 1], tf.uint8)
    batch = Batch(images if real is None else real, tf.constant(LABELS, tf.int32))
    step, updates = first_step(), []
    with step.entered():
        for update in system.updates():
            result = update(networks, dict.fromkeys(streams, batch), step)
            updates.append(
                SimpleNamespace(
                    loss={key: float(value) for key, value in result.minimise.items()},
                    record={key: float(value) for key, value in result.record.items()},
                    judged=given.judged,
                )
            )
            given.judged = []
            if "discriminator" in result.minimise:
                given.factor *= 2.0
    # of a point's two numbers too few are drawn here
    for z in given.latent if name != "gaussian" else []:
        assert_is_noise(z, SIZES[name][2])
    given.factor = 1.0
    return given, updates


def assert_close(update, expected):
    assert update.loss == pytest.approx(expected, rel=1e-4)


def test_ssgan_losses():
    given, (first, second) = outcome("ssgan", 3, (64, 64, 1), features=True)
    real = LEVELS / 127.5 - 1.0
    # the generator sees the updated discriminator, on the same batch and the same noise
    np.testing.assert_array_equal(*given.latent)
    for update in (first, second):
        assert len(update.judged) == 2
        np.testing.assert_allclose(update.judged[0], real, atol=1e-6)
        np.testing.assert_allclose(update.judged[1], given.made(0), rtol=1e-5)
    on_real, on_fake = given.logits(real), given.logits(given.made(0))
    supervised = cross_entropy(on_real[[0, 2]], LABELS[[0, 2]] + 1).mean()
    adversarial = softplus(on_real[:, 0]).mean() + softplus(-on_fake[:, 0]).mean()
    assert_close(first, {"discriminator": supervised + adversarial})
    given.factor = 2.0
    difference = given.matched(real).mean(0) - given.matched(given.made(0)).mean(0)
    adversarial = softplus(given.logits(given.made(0))[:, 0]).mean()
    assert_close(second, {"generator": adversarial + np.mean(difference**2)})


@pytest.mark.parametrize("form", ["text", "listing"])
def test_dcgan_losses(form):
    given, (on_real, on_fake, generator) = outcome("dcgan", 1, (28, 28, 1), form=form)
    real = LEVELS / 127.5 - 1.0
    logits = given.logits(real)
    assert_close(on_real, {"discriminator": softplus(-logits).mean()})
    assert on_real.record["discriminator/accuracy"] == pytest.approx((logits > 0).mean())
    assert len(on_real.judged) == len(on_fake.judged) == len(generator.judged) == 1
    given.factor = 2.0
    logits = given.logits(given.made(0))
    assert_close(on_fake, {"discriminator": softplus(logits).mean()})
    assert on_fake.record["discriminator/accuracy"] == pytest.approx((logits < 0).mean())
    given.factor = 4.0
    assert_close(generator, {"generator": softplus(-given.logits(given.made(1))).mean()})
    assert not np.array_equal(*given.latent)


@pytest.mark.parametrize(("name", "shape", "weight"), [("gan", (784,), 1.0), ("gaussian", (2,), 0.5)])
def test_plain_losses(name, shape, weight):
    drawn = points.draw_points(3, 0)
    real = points.to_records(drawn) if name == "gaussian" else None
    given, (first, second) = outcome(name, 1, shape, real=real)
    on_real = given.logits(drawn[:, 0] if name == "gaussian" else LEVELS / 255.0)
    on_fake = given.logits(given.made(0))
    assert_close(first, {"discriminator": weight * (softplus(-on_real).mean() + softplus(on_fake).mean())})
    given.factor = 2.0
    assert_close(second, {"generator": softplus(-given.logits(given.made(1))).mean()})
    assert not np.array_equal(*given.latent)


def test_sgan_losses():
    given, (update,) = outcome("sgan", 4, (28, 28, 1))
    on_real, on_fake = given.logits(LEVELS / 127.5 - 1.0), given.logits(given.made(0))
    valid = softplus(-on_real[:, 0]).mean() + softplus(on_fake[:, 0]).mean()
    labelled = cross_entropy(on_real[[0, 2], 1:], LABELS[[0, 2]]).mean()
    generated = cross_entropy(on_fake[:, 1:], np.array([2, 2, 2])).mean()
    assert_close(
        update,
        {"discriminator": valid + labelled + generated, "generator": softplus(-on_fake[:, 0]).mean()},
    )


def test_improved_gan_losses():
    streams = ("labelled", "unlabelled", "matched")
    given, (first, second) = outcome(
        "improved-gan", 2, (28, 28, 1), streams=streams, features=True, batch_size=3, labelled_batch=3
    )
    real = LEVELS / 255.0
    on_real, on_fake = given.logits(real), given.logits(given.made(0))
    evidence = [np.log(np.exp(logits).sum(1)) for logits in (on_real, on_fake)]
    supervised = cross_entropy(on_real[[0, 2]], LABELS[[0, 2]]).mean()
    adversarial = 0.5 * softplus(-evidence[0]).mean() + 0.5 * softplus(evidence[1]).mean()
    assert_close(first, {"discriminator": supervised + adversarial})
    given.factor = 2.0
    difference = given.matched(real).mean(0) - given.matched(given.made(1)).mean(0)
    assert_close(second, {"generator": np.mean(difference**2)})


def test_moving_statistics_of_ssgan_move_once_a_step(monkeypatch):
    moved = []
    monkeypatch.setattr(BatchNormalization, "_move", lambda _, moving, value: moved.append(id(moving)))
    system = system_of("ssgan", width=1 / 64, image_size=16, batch_size=4)
    networks = system.build_networks()
    batch = Batch(tf.zeros([4, 28, 28, 1], tf.uint8), tf.constant([0, 1, -1, -1]))
    step = first_step()
    with step.entered():
        for update in system.updates():
            update(networks, {"images": batch}, step)
    moving = [id(v) for net in networks.values() for v in net.variables if v.name.startswith("moving")]
    assert len(moving) == 10 and sorted(moved) == sorted(moving)


def test_documented_settings_that_are_given_are_kept():
    for name in OWN:
        recipe = load_recipe(name)
        assert recipe.configure("documented", {"steps": 7}).steps == 7
        documented = recipe.configure("documented", {})
        assert recipe.configure("full", dataclasses.asdict(documented)) == documented
