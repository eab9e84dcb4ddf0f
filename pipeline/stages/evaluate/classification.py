"""The model's answers on held-out splits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluated import ASIDE, CERTIFY, VALIDATION
from pipeline.stages.evaluate.contents import Contents
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.terminal import Terminal
from pipeline.workspace import PREDICTIONS_FILE

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo, Split
    from ssgan_tf.training.trained import Trained


class Outputs(NamedTuple):
    """Class logits float32 [N, K] and real scores float32 [N]."""

    logits: np.ndarray
    real_scores: np.ndarray


def answer(config: EvaluateConfig, trained: Trained, images: np.ndarray, terminal: Terminal) -> Outputs:
    """Runs the network on record images uint8 [N, H, W, C]."""
    import tensorflow as tf

    from ssgan_tf.savedmodel import in_float32

    # as it is served: a promise must be of the same numbers
    system, networks = in_float32(trained)

    @tf.function(reduce_retracing=True, autograph=False)
    def outputs(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return system.class_logits(networks, batch), system.real_score(networks, batch)

    logits, scores = [], []
    with terminal.progress(f"evaluate {trained.record.recipe}", len(images)) as progress:
        for start in range(0, len(images), config.batch_size):
            batch = images[start : start + config.batch_size]
            batch_logits, batch_scores = outputs(tf.constant(batch))
            logits.append(batch_logits.numpy())
            scores.append(batch_scores.numpy())
            progress.update(start + len(batch))
    return Outputs(np.concatenate(logits).astype(np.float32), np.concatenate(scores).astype(np.float32))


def of_split(
    config: EvaluateConfig, trained: Trained, split: Split, contents: Contents, terminal: Terminal
) -> dict[str, np.ndarray]:
    """Answers the split that is tested on; returns what `predictions.npz` holds of it."""
    found = answer(config, trained, split.images, terminal)
    return {
        "keys": np.array(split.keys),
        "digests": contents.digests,
        "labels": split.labels,
        "logits": found.logits,
        "real_scores": found.real_scores,
    }


def of_splits_aside(
    config: EvaluateConfig, trained: Trained, info: DatasetInfo, training: Contents, terminal: Terminal
) -> dict[str, np.ndarray]:
    """Answers the labelled images that the temperature and the promise come from, where there are any.

    Pixels that stand there more than once count once: copies are not independent images.

    Returns:
        For each split labels and logits, by the names that `predictions.npz` has for them.

    Raises:
        DataError: an image is in the training split too, or in two of the splits that are held out.
    """
    from ssgan_tf.records import read_split

    found: dict[str, np.ndarray] = {}
    before: dict[str, np.ndarray] = {"train": training.sources}
    if info.splits.get(config.split, {}).get("count"):
        before[config.split] = _sources(read_split(info, config.split))
    for name in (VALIDATION, CERTIFY):
        if name == config.split or not info.splits.get(name, {}).get("count"):
            continue
        split = read_split(info, name)
        sources = _sources(split)
        for other, theirs in before.items():
            if common := int(np.isin(sources, theirs).sum()):
                raise DataError(
                    f"{common} of {len(sources)} images of split {name!r} are in split {other!r} too, pixel "
                    "by pixel: what they are set aside for would not hold. Take the copies out of the data "
                    "set and run `ganpipe preprocess` and `ganpipe train` again."
                )
        before[name] = sources
        _, first = np.unique(sources, return_index=True)
        rows = np.sort(first[split.labels[first] >= 0])
        if len(rows):
            found[ASIDE.format(name, "labels")] = split.labels[rows]
            found[ASIDE.format(name, "logits")] = answer(config, trained, split.images[rows], terminal).logits
    return found


def _sources(split: Split) -> np.ndarray:
    # a key is the digest of the source's pixels, with a number behind a dot for copies
    return np.array([key.partition(".")[0] for key in split.keys])


def save(output: Path, stored: dict[str, np.ndarray]) -> None:
    """Writes `predictions.npz`."""
    with (output / PREDICTIONS_FILE).open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **stored)
