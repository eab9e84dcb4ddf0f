"""SavedModels of trained systems: what TensorFlow Serving loads, with pixels-in code in the graph.

    system, networks = in_float32(trained)
    save_classifier(folder, system, networks, class_names)
    save_generator(folder, system, networks)

A saved module holds the raw variables of one network and nothing else: no wrapped Keras objects, no
optimizer slots, no second copy. Its signatures close over the model that reads these variables.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from ssgan_tf import pixels, tfrecord
from ssgan_tf.errors import UsageError
from ssgan_tf.framing import Framing
from ssgan_tf.reference import Reference
from ssgan_tf.systems.recipe import Networks, System
from ssgan_tf.training.averages import copy_weights, raw_variables
from ssgan_tf.training.trained import Trained

CLASS_NAMES_FILE = "class_names.txt"
CONFIDENCE_FILE = "confidence.json"
REFERENCE_FILE = "reference.npz"
FEATURES = "features"
SAMPLE_LIMIT = 1024
# a float image with a value outside is no picture in 0..255, whatever scale was meant
LOWEST, HIGHEST = -255.0, 510.0

# no confidence reaches it
ALWAYS_ABSTAINS = 2.0
Outputs = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Confidence:
    """How logits become answers.

    Attributes:
        temperature: divides the logits, above 0 (Guo et al. 2017); 1 leaves them as they are.
        abstain_below: confidence below which `abstain` is true: 0 never abstains, ALWAYS_ABSTAINS always.
        label_lows: probability of each class from which its label remains; (): there is no such output.
        promise: what is promised of the answers at this threshold, or why nothing is, as plain values.
        label_sets: what is promised of the labels that remain.
    """

    temperature: float = 1.0
    abstain_below: float = 0.0
    label_lows: tuple[float, ...] = ()
    promise: Mapping[str, Any] | None = None
    label_sets: Mapping[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """What the asset `confidence.json` holds."""
        return {
            "temperature": self.temperature,
            "abstain_below": self.abstain_below,
            "promise": self.promise,
            "label_sets": self.label_sets,
        }


def in_float32(trained: Trained) -> tuple[System, Networks]:
    """Returns the system and its averaged networks with float32 layers, whatever they trained in."""
    if trained.record.dtype == "float32":
        return trained.system, trained.networks
    system = dataclasses.replace(trained.record, dtype="float32").build()
    networks = system.build_networks()
    copy_weights(networks, trained.networks)
    return system, networks


def classifier_probabilities(
    system: System, networks: Networks, images: tf.Tensor, temperature: float = 1.0
) -> tf.Tensor:
    """Class probabilities float32 [B, K] of record images uint8 or float 0..255 [B, H, W, C]."""
    return tf.nn.softmax(system.class_logits(networks, images) / temperature)


def weights_digest(network: Any) -> str:
    """Returns the sha256 of a network's weights, in the order of their creation."""
    digest = hashlib.sha256()
    for variable in raw_variables(network):
        digest.update(f"{variable.dtype.name}{variable.shape.as_list()}".encode())
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


def decoded_records(
    encoded: tf.Tensor, shape: tuple[int, int, int], framing: Framing | None = None
) -> tf.Tensor:
    """Decodes encoded images string [B] to record images uint8 [B, H, W, C], in the graph.

    Args:
        encoded: the files' bytes.
        shape: (H, W, C) of the records.
        framing: of the data set; None is the default one.

    Raises:
        tf.errors.InvalidArgumentError: one of them is not admitted (see `ssgan_tf.admission`) or damaged.
    """
    height, width, channels = shape
    framing = framing or Framing()

    def one(value: tf.Tensor) -> tf.Tensor:
        image = pixels.decode(value, channels, framing.background, guarded=True)
        return tf.ensure_shape(pixels.to_size(image, height, width, framing), shape)

    return tf.map_fn(one, encoded, fn_output_signature=tf.TensorSpec(shape, tf.uint8))


def classifier_signatures(
    system: System,
    networks: Networks,
    class_names: Sequence[str],
    confidence: Confidence,
    framing: Framing | None = None,
    reference: Reference | None = None,
) -> dict[str, Any]:
    """Builds the classifier's signatures as traced functions.

    `serving_default` takes `image` float32 [B, H, W, C] in 0..255, `serving_uint8` the same as uint8,
    `serving_bytes` takes `image_bytes` string [B]. They answer `probabilities` [B, K], `class_id` int64
    [B], `label` string [B], `confidence` [B], `real_score` [B] and `abstain` bool [B]. An image with a value
    that is not finite, below -255 or above 510 gets probabilities, confidence and real score 0 and abstain
    true: it is no picture in 0..255. With `label_lows` they answer `labels_that_remain` string [B, K] too:
    the labels whose probability reaches their threshold, and always the most probable, the most probable
    first; the places that are left are empty. With a reference that says how, they answer
    `looks_familiar` [B] too: the share of the reference images that look no more familiar.

    `classify` has the form that TensorFlow Serving's Classify call asks for: `inputs` string [B], each a
    serialised `tf.train.Example` with `image/encoded`, to `classes` string [B, K] and `scores` [B, K].

    `features` and `features_bytes` take `image` float32 and `image_bytes` to `features` [B, F], the layer
    before the logits, beside `class_id`, `confidence` and `looks_familiar`.
    """
    shape = system.data.image_shape
    names = list(class_names)

    def remaining(probabilities: tf.Tensor, usable: tf.Tensor) -> tf.Tensor:
        sizes, order = tf.math.top_k(probabilities, len(names))
        remain = sizes >= tf.gather(tf.constant(confidence.label_lows, tf.float32), order)
        first = tf.range(len(names)) == 0
        kept = tf.logical_and(tf.logical_or(remain, first), usable[:, tf.newaxis])
        # those that remain side by side, in their order
        place = tf.argsort(tf.cast(tf.logical_not(kept), tf.int32), stable=True)
        labels = tf.where(kept, tf.gather(tf.constant(names), order), "")
        return tf.gather(labels, place, batch_dims=1)

    @tf.function(input_signature=[tf.TensorSpec([None, *shape], tf.float32)], autograph=False)
    def answers(image: tf.Tensor) -> Outputs:
        # no comparison holds for a NaN
        usable = tf.reduce_all(tf.logical_and(image >= LOWEST, image <= HIGHEST), axis=[1, 2, 3])
        image = tf.where(usable[:, tf.newaxis, tf.newaxis, tf.newaxis], image, 0.0)
        with _read_once(networks):
            probabilities = classifier_probabilities(system, networks, image, confidence.temperature)
            real_score = system.real_score(networks, image)
            features = system.features(networks, image)
            logits = system.class_logits(networks, image)
        probabilities = tf.where(usable[:, tf.newaxis], probabilities, 0.0)
        best = tf.argmax(probabilities, axis=-1)
        certainty = tf.reduce_max(probabilities, axis=-1)
        more = {"labels_that_remain": remaining(probabilities, usable)} if confidence.label_lows else {}
        if reference is not None and reference.score:
            familiar = reference.in_graph(logits, features, real_score)
            more["looks_familiar"] = tf.where(usable, familiar, 0.0)
        return {
            **more,
            FEATURES: features,
            "probabilities": probabilities,
            "class_id": best,
            "label": tf.gather(tf.constant(names), best),
            "confidence": certainty,
            "real_score": tf.where(usable, real_score, 0.0),
            "abstain": tf.logical_not(tf.logical_and(usable, certainty >= confidence.abstain_below)),
        }

    def from_float(image: tf.Tensor) -> Outputs:
        return {name: value for name, value in answers(image).items() if name != FEATURES}

    def from_uint8(image: tf.Tensor) -> Outputs:
        return from_float(tf.cast(image, tf.float32))

    def from_bytes(image_bytes: tf.Tensor) -> Outputs:
        return from_uint8(decoded_records(image_bytes, shape, framing))

    def seen(image: tf.Tensor) -> Outputs:
        outputs, names = answers(image), (FEATURES, "class_id", "confidence", "looks_familiar")
        return {name: outputs[name] for name in names if name in outputs}

    def seen_bytes(image_bytes: tf.Tensor) -> Outputs:
        return seen(tf.cast(decoded_records(image_bytes, shape, framing), tf.float32))

    def from_examples(inputs: tf.Tensor) -> Outputs:
        parsed = tf.io.parse_example(inputs, {tfrecord.ENCODED: tf.io.FixedLenFeature([], tf.string)})
        scores = from_bytes(parsed[tfrecord.ENCODED])["probabilities"]
        return {"classes": tf.broadcast_to(tf.constant(names), tf.shape(scores)), "scores": scores}

    return {
        "serving_default": _traced(from_float, tf.TensorSpec([None, *shape], tf.float32, "image")),
        "serving_uint8": _traced(from_uint8, tf.TensorSpec([None, *shape], tf.uint8, "image")),
        "serving_bytes": _traced(from_bytes, tf.TensorSpec([None], tf.string, "image_bytes")),
        "classify": _traced(from_examples, tf.TensorSpec([None], tf.string, "inputs")),
        FEATURES: _traced(seen, tf.TensorSpec([None, *shape], tf.float32, "image")),
        f"{FEATURES}_bytes": _traced(seen_bytes, tf.TensorSpec([None], tf.string, "image_bytes")),
    }


def generator_signatures(system: System, networks: Networks) -> dict[str, Any]:
    """Builds the generator's signatures as traced functions; both answer `images` uint8 [B, H', W', C].

    `generate` (also `serving_default`) takes `z` float32 [B, Z]. `sample` takes `count` and `seed`, int32
    of one element each, and draws z itself; a count outside 1..1024 is an InvalidArgumentError.
    """
    size = system.latent(1, 0).shape[1]

    @tf.function(input_signature=[tf.TensorSpec([None, size], tf.float32)], autograph=False)
    def images(z: tf.Tensor) -> tf.Tensor:
        return system.generate(networks, z)

    def generate(z: tf.Tensor) -> Outputs:
        return {"images": images(z)}

    def sample(count: tf.Tensor, seed: tf.Tensor) -> Outputs:
        count, seed = tf.reshape(count, []), tf.reshape(seed, [])
        wrong = f"count must be from 1 to {SAMPLE_LIMIT}"
        checks = [
            tf.debugging.assert_greater_equal(count, 1, wrong),
            tf.debugging.assert_less_equal(count, SAMPLE_LIMIT, wrong),
        ]
        with tf.control_dependencies(checks):
            return {"images": images(system.latent(tf.identity(count), seed))}

    traced = _traced(generate, tf.TensorSpec([None, size], tf.float32, "z"))
    number = [tf.TensorSpec(None, tf.int32, name) for name in ("count", "seed")]
    return {"serving_default": traced, "generate": traced, "sample": _traced(sample, *number)}


def save_classifier(
    folder: Path,
    system: System,
    networks: Networks,
    class_names: Sequence[str],
    confidence: Confidence | None = None,
    framing: Framing | None = None,
    reference: Reference | None = None,
) -> None:
    """Writes the classifier as a SavedModel.

    Its assets are the class names, `class_names.txt`, `confidence.json`: temperature, threshold and what is
    promised of the answers, and with a reference `reference.npz`.

    Args:
        folder: the SavedModel's own folder; must not exist.
        system: float32 system.
        networks: its networks; only the classifying one is saved.
        class_names: K names.
        confidence: temperature and threshold.
        framing: how files become record images, as in the training data; None is the default one.
        reference: what later images are compared with.

    Raises:
        UsageError: the system has no classifier.
    """
    if system.classifier is None:
        raise UsageError(f"{type(system).__name__} has no classifier: it is trained without labels.")
    alone: Networks = {system.classifier: (network := networks[system.classifier])}
    confidence = confidence or Confidence()
    signatures = classifier_signatures(system, alone, class_names, confidence, framing, reference)
    with tempfile.TemporaryDirectory() as scratch:
        names = Path(scratch) / CLASS_NAMES_FILE
        names.write_text("".join(name.replace("\n", " ") + "\n" for name in class_names), encoding="utf-8")
        told = Path(scratch) / CONFIDENCE_FILE
        told.write_text(json.dumps(confidence.document(), indent=1) + "\n")
        assets = {"class_names": names, "confidence": told}
        if reference is not None:
            assets["reference"] = Path(scratch) / REFERENCE_FILE
            reference.save(assets["reference"])
        _save(folder, network, signatures, {key: tf.saved_model.Asset(str(p)) for key, p in assets.items()})


def save_generator(folder: Path, system: System, networks: Networks) -> None:
    """Writes the generator as a SavedModel of its own.

    Raises:
        UsageError: the system has no generator.
    """
    if system.generator is None:
        raise UsageError(f"{type(system).__name__} has no generator.")
    network = networks[system.generator]
    _save(folder, network, generator_signatures(system, {system.generator: network}), {})


def _read_once(networks: Networks) -> keras.StatelessScope:
    """Within it every weight is one tensor, so that TensorFlow finds equal passes and computes one."""
    weights = [weight for network in networks.values() for weight in network.variables]
    return keras.StatelessScope([(weight, tf.identity(weight.value)) for weight in weights])


def _traced(function: Any, *specs: tf.TensorSpec) -> Any:
    # there is no loop for AutoGraph in what it would spend seconds on reading
    return tf.function(function, autograph=False).get_concrete_function(*specs)


def _save(folder: Path, network: Any, signatures: Mapping[str, Any], assets: Mapping[str, Any]) -> None:
    module = tf.Module()
    # raw: LiteRT's converter misreads wrapped Keras variables, and a tracked model brings its optimizer
    module.weights = raw_variables(network)
    module.assets = dict(assets)
    tf.saved_model.save(module, str(folder), signatures=dict(signatures))
