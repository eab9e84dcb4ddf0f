"""The model's answers on held-out splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluated import ASIDE, CERTIFY, VALIDATION
from pipeline.stages.evaluate.contents import BLOCK, Contents, read_labels, read_rows
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.terminal import Terminal
from pipeline.workspace import PREDICTIONS_FILE

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.training.trained import Trained


class Outputs(NamedTuple):
    """Class logits float32 [N, K] and real scores float32 [N]."""

    logits: np.ndarray
    real_scores: np.ndarray


def answer(
    config: EvaluateConfig, trained: Trained, parts: Iterable[np.ndarray], count: int, terminal: Terminal
) -> Outputs:
    """Runs the network on `count` record images, uint8 [n, H, W, C] each part; holds a batch of them."""
    import tensorflow as tf

    from ssgan_tf.savedmodel import in_float32

    # as it is served: a promise must be of the same numbers
    system, networks = in_float32(trained)

    @tf.function(reduce_retracing=True, autograph=False)
    def outputs(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return system.class_logits(networks, batch), system.real_score(networks, batch)

    logits, scores = [], []
    done = 0
    with terminal.progress(f"evaluate {trained.record.recipe}", count) as progress:
        for batch in _batches(parts, config.batch_size):
            batch_logits, batch_scores = outputs(tf.constant(batch))
            logits.append(batch_logits.numpy().astype(np.float32))
            scores.append(batch_scores.numpy().astype(np.float32))
            done += len(batch)
            progress.update(done)
    return Outputs(np.concatenate(logits), np.concatenate(scores))


def _batches(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    waiting: list[np.ndarray] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        while count >= size:
            together = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            yield together[:size]
            waiting, count = [together[size:]], count - size
    if count:
        yield np.concatenate(waiting)


def of_split(
    config: EvaluateConfig, trained: Trained, info: DatasetInfo, contents: Contents, terminal: Terminal
) -> dict[str, np.ndarray]:
    """Answers the split that is tested on; returns what `predictions.npz` holds of it."""
    from ssgan_tf.records import iterate_split

    keys: list[np.ndarray] = []

    def images() -> Iterator[np.ndarray]:
        for part in iterate_split(info, config.split, BLOCK):
            keys.append(np.array(part.keys))
            yield part.images

    found = answer(config, trained, images(), len(contents.labels), terminal)
    return {
        "keys": np.concatenate(keys),
        "digests": contents.digests.astype(np.str_),
        "labels": contents.labels,
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
    found: dict[str, np.ndarray] = {}
    before: dict[str, np.ndarray] = {"train": training.sources}
    if info.splits.get(config.split, {}).get("count"):
        before[config.split] = read_labels(info, config.split)[1]
    for name in (VALIDATION, CERTIFY):
        if name == config.split or not info.splits.get(name, {}).get("count"):
            continue
        labels, sources = read_labels(info, name)
        for other, theirs in before.items():
            if common := int(np.isin(sources, theirs).sum()):
                raise DataError(
                    f"{common} of {len(sources)} images of split {name!r} are in split {other!r} too, pixel "
                    "by pixel: what they are set aside for would not hold. Take the copies out of the data "
                    "set and run `ganpipe preprocess` and `ganpipe train` again."
                )
        before[name] = sources
        _, first = np.unique(sources, return_index=True)
        rows = np.sort(first[labels[first] >= 0])
        if len(rows):
            found[ASIDE.format(name, "labels")] = labels[rows]
            images = read_rows(info, name, rows)
            found[ASIDE.format(name, "logits")] = answer(config, trained, images, len(rows), terminal).logits
    return found


def save(output: Path, stored: dict[str, np.ndarray]) -> None:
    """Writes `predictions.npz`."""
    with (output / PREDICTIONS_FILE).open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **stored)
