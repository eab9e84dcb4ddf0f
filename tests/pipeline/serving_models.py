"""Small SavedModels for the server's tests, with the signatures that the export writes.

Plain `tf.Module`s with seeded weights, so that a test needs no training and can compute by itself what
the answers must be.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

CLASS_NAMES = tuple(f"digit {index}" for index in range(10))
SIDE = 8
ABSTAIN_BELOW = 0.3


class SmallClassifier(tf.Module):
    """Linear softmax classifier of SIDE x SIDE grey images; `shift` changes every answer."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        random = np.random.default_rng(7)
        self.kernel = tf.Variable(random.normal(0, 0.6, (SIDE * SIDE, 10)).astype(np.float32))
        self.bias = tf.Variable(np.arange(10, dtype=np.float32) * shift)
        self.names = list(CLASS_NAMES)

    def answers(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the contract's outputs for float [B, SIDE, SIDE, 1] in 0..255."""
        logits = tf.reshape(image / 255.0, [-1, SIDE * SIDE]) @ self.kernel + self.bias
        probabilities = tf.nn.softmax(logits)
        best = tf.argmax(probabilities, axis=-1)
        confidence = tf.reduce_max(probabilities, axis=-1)
        return {
            "probabilities": probabilities,
            "class_id": best,
            "label": tf.gather(tf.constant(self.names), best),
            "confidence": confidence,
            "real_score": tf.sigmoid(tf.reduce_logsumexp(logits, axis=-1)),
            "abstain": confidence < ABSTAIN_BELOW,
        }

    def decoded(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes and resizes encoded images [B] to float [B, SIDE, SIDE, 1]."""

        def one(value: tf.Tensor) -> tf.Tensor:
            image = tf.io.decode_image(value, channels=1, expand_animations=False)
            image.set_shape([None, None, 1])
            return tf.image.resize(tf.cast(image, tf.float32), [SIDE, SIDE], antialias=True)

        return tf.map_fn(one, encoded, fn_output_signature=tf.TensorSpec([SIDE, SIDE, 1]))

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 1], tf.float32, name="image")])
    def from_float(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """serving_default."""
        return self.answers(image)

    @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 1], tf.uint8, name="image")])
    def from_uint8(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """serving_uint8."""
        return self.answers(tf.cast(image, tf.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def from_bytes(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """serving_bytes."""
        return self.answers(self.decoded(image_bytes))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """classify, in the form that TensorFlow Serving's Classify wants."""
        parsed = tf.io.parse_example(inputs, {"image/encoded": tf.io.FixedLenFeature([], tf.string)})
        scores = self.answers(self.decoded(parsed["image/encoded"]))["probabilities"]
        return {"classes": tf.broadcast_to(tf.constant(self.names), tf.shape(scores)), "scores": scores}


class SmallGenerator(tf.Module):
    """Turns z [B, 4] into images [B, SIDE, SIDE, 1], and draws z itself for `sample`."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(3)
        self.kernel = tf.Variable(random.normal(0, 1, (4, SIDE * SIDE)).astype(np.float32))

    def images(self, z: tf.Tensor) -> tf.Tensor:
        """Returns uint8 [B, SIDE, SIDE, 1]."""
        pixels = tf.sigmoid(z @ self.kernel) * 255.0
        return tf.cast(tf.reshape(pixels, [-1, SIDE, SIDE, 1]), tf.uint8)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="z")])
    def generate(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        """generate."""
        return {"images": self.images(z)}

    @tf.function(
        input_signature=[
            tf.TensorSpec(None, tf.int32, name="count"),
            tf.TensorSpec(None, tf.int32, name="seed"),
        ]
    )
    def sample(self, count: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """sample."""
        count, seed = tf.reshape(count, []), tf.reshape(seed, [])
        return {"images": self.images(tf.random.stateless_normal([count, 4], [seed, 0]))}


class Echo(tf.Module):
    """Signatures of every type and rank that the JSON API must carry."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def half_plus_two(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One scalar an instance, one output."""
        return {"y": x * 0.5 + 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.int32, name="i")])
    def integers(self, i: tf.Tensor) -> dict[str, tf.Tensor]:
        """Integers in, integers of other sizes out."""
        return {"same": i, "wide": tf.cast(i, tf.int64), "total": tf.reduce_sum(i, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="s")])
    def text(self, s: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same strings as text and as bytes."""
        return {"text": s, "text_bytes": s}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="a"),
            tf.TensorSpec([None], tf.bool, name="b"),
        ]
    )
    def two(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Two inputs, nested and scalar outputs."""
        return {"nested": a[:, :, None], "scalar": a[:, 0], "flag": tf.logical_not(b)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float64, name="d")])
    def double(self, d: tf.Tensor) -> dict[str, tf.Tensor]:
        """Doubles."""
        return {"d": d}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
    def scalar(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """No batch dimension at all."""
        return {"y": x + 1.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify_scores(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scores without labels, of the feature x."""
        x = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
        return {"scores": x * 0.5 + 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """A regression of the feature x."""
        x = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
        return {"outputs": x * 0.5 + 2.0}


def save_classifier(folder: Path, shift: float = 0.0) -> Path:
    """Writes the classifier to `folder` (NAME/VERSION) by one rename; returns the folder."""
    module = SmallClassifier(shift)
    signatures = {
        "serving_default": module.from_float,
        "serving_uint8": module.from_uint8,
        "serving_bytes": module.from_bytes,
        "classify": module.classify,
    }
    with tempfile.TemporaryDirectory() as scratch:
        names = Path(scratch) / "class_names.txt"
        names.write_text("\n".join(CLASS_NAMES) + "\n")
        module.class_names = tf.saved_model.Asset(str(names))
        return _save(folder, module, signatures)


def save_generator(folder: Path) -> Path:
    """Writes the generator to `folder`."""
    module = SmallGenerator()
    return _save(
        folder,
        module,
        {"serving_default": module.generate, "generate": module.generate, "sample": module.sample},
    )


def save_echo(folder: Path) -> Path:
    """Writes `Echo` to `folder`; `serving_default` is half_plus_two."""
    module = Echo()
    names = ("integers", "text", "two", "double", "scalar", "classify_scores", "regress")
    signatures = {name: getattr(module, name) for name in names}
    return _save(folder, module, {"serving_default": module.half_plus_two, **signatures})


def _save(folder: Path, module: tf.Module, signatures: dict) -> Path:
    partial = folder.with_name(f"{folder.name}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial, ignore_errors=True)
    tf.saved_model.save(module, str(partial), signatures=signatures)
    partial.rename(folder)
    return folder
