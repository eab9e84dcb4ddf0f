"""dataset.json: what was prepared, for the stages that follow and for people. No times, no places."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.beam.pieces import Piece
from pipeline.errors import DataError
from pipeline.stages.preprocess.draw import Draw, labelled_digest
from pipeline.stages.preprocess.scan import Scanned
from pipeline.stages.preprocess.write import Written

MAX_LISTED_DUPLICATES = 100
SPLITS = ("train", "test", "validation")


def image_shape(
    scanned: Mapping[str, Sequence[Scanned]], *, size: int | None, channels: int | None
) -> tuple[int, int, int]:
    """Returns the records' (H, W, C): as asked for, else as the source has them.

    Raises:
        DataError: no size was asked for and the images have more than one; names two of them.
    """
    usable = [row for rows in scanned.values() for row in rows if not row.reason]
    if channels is None:
        channels = 1 if all(row.channels <= 2 for row in usable) else 3
    if size is not None:
        return size, size, channels
    first: dict[tuple[int, int], str] = {}
    for row in usable:
        first.setdefault((row.height, row.width), row.key)
        if len(first) == 2:
            (one, key), (other, another) = first.items()
            raise DataError(
                f"the images have different sizes: {key!r} is {one[0]} x {one[1]} (height x width), "
                f"{another!r} is {other[0]} x {other[1]}. Say to which size to bring them: --image-size."
            )
    if not usable:
        raise DataError("the source has no usable image, so its size is not known.")
    (height, width), _ = first.popitem()
    return height, width, channels


def dataset_document(
    *,
    source: Mapping[str, str],
    shape: tuple[int, int, int],
    background: int,
    class_names: Sequence[str],
    drawn: Draw,
    written: Mapping[Piece, Written],
    seed: int,
) -> dict[str, Any]:
    """Builds the document; it says nothing about the label of any image that was withheld."""
    from ssgan_tf.records import SCHEMA_VERSION

    splits: dict[str, Any] = {}
    for split in SPLITS:
        shards = [found.shards[split] for found in written.values() if split in found.shards]
        if shards:
            members = drawn.of(split)
            splits[split] = {
                "count": len(members),
                "labelled": sum(m.labelled for m in members),
                "shards": shards,
            }
    train = drawn.of("train")
    everyone = [m for rows in drawn.members.values() for m in rows if m is not None]
    count = len(class_names)
    histogram = np.bincount([m.label for m in everyone if m.label >= 0], minlength=count)
    labelled = np.bincount([m.label for m in train if m.labelled], minlength=count)
    return {
        "schema_version": SCHEMA_VERSION,
        "source": dict(source),
        "image_shape": list(shape),
        "background": background,
        "class_names": list(class_names),
        "splits": splits,
        "labels_per_class": dict(zip(class_names, labelled.tolist(), strict=True)),
        "class_histogram": dict(zip(class_names, histogram.tolist(), strict=True)),
        "pixels": _statistics(written),
        "duplicates": {
            "across_splits": len(drawn.duplicates),
            "removed": sorted(drawn.duplicates)[:MAX_LISTED_DUPLICATES],
        },
        "rejected": [{"key": key, "reason": reason} for key, reason in drawn.rejected],
        "seed": seed,
        "labelled_digest": labelled_digest(train),
        "draw": {"method": drawn.method, "thresholds": drawn.thresholds},
    }


def _statistics(written: Mapping[Piece, Written]) -> dict[str, list[float]]:
    """Returns mean and standard deviation (0..255) of each channel over the training images.

    Exact whole-number sums first: the result does not depend on how the images were cut into pieces.
    """
    histogram = np.sum([found.histogram for found in written.values()], axis=0)
    means, deviations = [], []
    for counts in histogram.tolist():
        count = sum(counts)
        total = sum(value * n for value, n in enumerate(counts))
        squares = sum(value * value * n for value, n in enumerate(counts))
        means.append(total / count)
        deviations.append(math.sqrt(count * squares - total * total) / count)
    return {"mean": means, "std": deviations}


def save(document: Mapping[str, Any], folder: Path) -> None:
    """Writes `dataset.json` beside its place and renames it."""
    partial = folder / "dataset.json.partial"
    partial.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.rename(folder / "dataset.json")
