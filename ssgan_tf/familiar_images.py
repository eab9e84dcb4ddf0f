"""The images that an export is compared with later, and the score that tells foreign ones from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ssgan_tf.metrics.familiarity import PROXIES, best
from ssgan_tf.records import DatasetInfo, iterate_split
from ssgan_tf.reference import MOST_IMAGES, MOST_VALUES, SCORES, Reference, score_of
from ssgan_tf.systems.recipe import Networks, System

# those that a promise was checked on come first: it holds for images like them
SPLITS = ("certify", "test", "validation", "train")
FEWEST = 30
# below, neighbours and a share of the images say nothing
FEWEST_FAMILIAR = 60
# made images of each kind
MADE = 250
BATCH = 256
SEED = 15


def make_reference(info: DatasetInfo, system: System, networks: Networks, temperature: float) -> Reference:
    """Looks at images that were not trained on, where there are any, and chooses what tells foreign ones.

    Records lie in the order of a keyed hash of their content, so the first ones are drawn at random. Half
    of them are the neighbours that are looked for, the other half are scored.

    Args:
        info: the prepared data.
        system, networks: training's own, in float32.
        temperature: of the export.

    Raises:
        DataError: a shard is missing or damaged.
    """
    split, images = _images(info)
    seen = look(system, networks, images)
    count = min(len(images), max(FEWEST, MOST_VALUES // seen["features"].shape[1]))
    images, seen = images[:count], {name: values[:count] for name, values in seen.items()}
    probabilities = tf.nn.softmax(seen["logits"] / temperature).numpy()
    score, bank, scores = "", 0, np.empty(0, np.float32)
    if count >= FEWEST_FAMILIAR:
        bank = count // 2
        score, scores = _chosen(system, networks, images, seen, bank)
    return Reference(
        features=seen["features"],
        confidence=probabilities.max(1),
        class_id=probabilities.argmax(1).astype(np.int32),
        split=split,
        held_out=split != SPLITS[-1],
        score=score,
        bank=bank,
        scores=np.sort(scores),
    )


def _images(info: DatasetInfo) -> tuple[str, np.ndarray]:
    counts = {name: info.splits.get(name, {}).get("count", 0) for name in SPLITS}
    name = next((name for name in SPLITS if counts[name] >= FEWEST), SPLITS[-1])
    # of very large images fewer: 256 MB
    block = min(MOST_IMAGES, max(FEWEST, 2**28 // int(np.prod(info.image_shape))))
    return name, next(iterate_split(info, name, block)).images


def look(system: System, networks: Networks, images: np.ndarray) -> dict[str, np.ndarray]:
    """What the classifier sees in record images uint8 [N, H, W, C].

    Returns:
        `logits` [N, K], `features` [N, F] and `real_score` [N], float32.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def outputs(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "logits": system.class_logits(networks, batch),
            "features": system.features(networks, batch),
            "real_score": system.real_score(networks, batch),
        }

    parts = [outputs(tf.constant(images[start : start + BATCH])) for start in range(0, len(images), BATCH)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}


def all_scores(seen: Mapping[str, np.ndarray], bank: np.ndarray) -> dict[str, np.ndarray]:
    """Every score of images, from what `look` returns and the features of the bank."""
    there = {name: tf.constant(values, tf.float32) for name, values in seen.items()}
    return {name: score_of(name, **there, bank=bank).numpy() for name in SCORES}


def _chosen(
    system: System, networks: Networks, images: np.ndarray, seen: Mapping[str, np.ndarray], bank: int
) -> tuple[str, np.ndarray]:
    """The score of `looks_familiar`, and its values on the images after the bank."""
    near, random = seen["features"][:bank], np.random.default_rng(SEED)
    familiar = all_scores({name: values[bank:] for name, values in seen.items()}, near)
    made = {
        name: all_scores(look(system, networks, make(images[bank : bank + MADE], random)), near)
        for name, make in PROXIES.items()
    }
    name = best(familiar, made)
    return name, familiar[name]
