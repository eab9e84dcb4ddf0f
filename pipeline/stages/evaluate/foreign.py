"""Images of another source, brought to the records' size as a served file is, and how foreign they look."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import DataError
from pipeline.images.conversion import as_decodable, png_file
from pipeline.images.headers import read_header
from pipeline.images.rejected import Rejected
from pipeline.sources.catalog import open_source
from pipeline.stages.evaluate.contents import Contents, read_rows
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.terminal import Terminal

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.training.trained import Trained

MOST = 2000
BATCH = 64
FEWEST = 30


def read_foreign(spec: str, data: DatasetInfo) -> np.ndarray:
    """Reads up to 2,000 images of a source, evenly over its training split.

    Args:
        spec: as `--dataset` names sources.
        data: gives shape and framing of the records.

    Returns:
        Record images uint8 [N, H, W, C].

    Raises:
        UsageError, DataError: there is no such source, or fewer than 30 of its images can be used.
    """
    import tensorflow as tf

    from ssgan_tf.savedmodel import decoded_records

    source = open_source(spec)
    count = source.splits()["train"]
    encoded = []
    for start in np.linspace(0, count, min(count, MOST), endpoint=False).astype(int).tolist():
        for item in islice(source.read("train", start, start + 1), 1):
            value = item.encoded if item.pixels is None else png_file(item.pixels)
            try:
                encoded.append(as_decodable(value or b"", read_header(value or b"")))
            except Rejected:
                continue
    found = []
    for start in range(0, len(encoded), BATCH):
        try:
            part = decoded_records(
                tf.constant(encoded[start : start + BATCH]), data.image_shape, data.framing
            )
            found.append(part.numpy())
        except tf.errors.InvalidArgumentError:
            # one of them is damaged: these few are left out
            continue
    if sum(map(len, found)) < FEWEST:
        raise DataError(f"--foreign {spec!r} has fewer than {FEWEST} images that can be used.")
    return np.concatenate(found)


def of_foreign(
    config: EvaluateConfig, trained: Trained, info: DatasetInfo, contents: Contents | None, terminal: Terminal
) -> dict[str, Any]:
    """Scores of foreign and of held-out images; returns what `predictions.npz` holds of them.

    The held-out images are none of the neighbours that are looked for and, where there are enough others,
    none that the score was chosen with.

    Raises:
        UsageError, DataError: as `read_foreign`; or there is no held-out split to compare with.
    """
    from ssgan_tf.familiar_images import FEWEST_FAMILIAR, all_scores, look, make_reference
    from ssgan_tf.reference import SCORES
    from ssgan_tf.savedmodel import in_float32

    assert config.foreign is not None
    foreign = read_foreign(config.foreign, info)
    system, networks = in_float32(trained)
    reference = make_reference(info, system, networks, 1.0)
    if contents is None or not reference.score:
        raise DataError(
            f"--foreign needs a split {config.split!r} of {FEWEST_FAMILIAR} or more images to compare with."
        )
    count, first = len(contents.labels), 0
    if reference.split == config.split:
        first = len(reference.features) if count >= 2 * len(reference.features) else reference.bank
    rows = np.arange(first, max(first, count))
    held_out = list(read_rows(info, config.split, rows[:MOST]))
    familiar = np.concatenate(held_out) if held_out else np.zeros((0, *info.image_shape), np.uint8)
    near = reference.features[: reference.bank]
    terminal.say(f"{len(foreign):,} images of {config.foreign} against {len(rows):,} that are held out")
    stored = {"foreign_chosen": np.array(reference.score), "foreign_source": np.array(config.foreign)}
    for name, images in (("familiar", familiar), ("foreign", foreign)):
        scores = all_scores(look(system, networks, images), near)
        stored[f"{name}_scores"] = np.stack([scores[score] for score in SCORES])
    return stored
