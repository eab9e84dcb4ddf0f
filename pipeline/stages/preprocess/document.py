"""dataset.json: what was prepared, for the stages that follow. No times, no places.

Training reads it, so it says nothing that follows from a label that was withheld: neither how many images
of a class there are, nor up to which hash those of a class were taken, nor the source's digest, nor the name
of a file. All that stands in the provenance (`pipeline.provenance`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.stages.preprocess.draw import Draw
from pipeline.stages.preprocess.findings import Sizes
from pipeline.stages.preprocess.left_out import LeftOut
from pipeline.stages.preprocess.members import labelled_digest
from pipeline.stages.preprocess.scan import DEFAULT_SIDE
from ssgan_tf.file_names import DATASET
from ssgan_tf.framing import Framing
from ssgan_tf.whole_files import write_whole

SPLITS = ("train", "test", "validation", "certify")


def image_shape(sizes: Sizes, *, size: int | None, channels: int | None) -> tuple[int, int, int]:
    """Returns the records' (H, W, C): as asked for, else as the source has them, within `DEFAULT_SIDE`.

    Images of several sizes, or of a larger one, become squares of 64 pixels where nothing else is asked for:
    photos straight from a camera have thousands, and training on those takes days.

    Raises:
        DataError: the source has no usable image.
    """
    if channels is None:
        channels = 1 if sizes.grey else 3
    if size is not None:
        return size, size, channels
    if not sizes.any:
        raise DataError("the source has no usable image, so its size is not known.")
    height, width = sizes.highest
    if sizes.several or max(height, width) > DEFAULT_SIDE:
        return DEFAULT_SIDE, DEFAULT_SIDE, channels
    return height, width, channels


def sizes_in_words(sizes: Sizes) -> str:
    """Says which sizes the source's images have, as height x width."""
    smallest, largest = (f"{h} x {w}" for h, w in (sizes.smallest, sizes.largest))
    return f"{smallest} to {largest}" if sizes.several else smallest


def dataset_document(
    *,
    source: str,
    shape: tuple[int, int, int],
    framing: Framing,
    class_names: Sequence[str],
    drawn: Draw,
    shards: Mapping[str, Sequence[Mapping[str, Any]]],
    histogram: np.ndarray,
    seed: int,
    fold: int | None = None,
    folds: int = 0,
) -> dict[str, Any]:
    """Builds the document.

    Args:
        source: name of the source's kind.
        shape: (H, W, C) of the records.
        framing: how images became records.
        class_names: names of the classes.
        drawn: the draw.
        shards: output split to what `write_records` says of each shard.
        histogram: int [C, 256], how often each value is in the training images.
        seed: of the draw.
        fold: of the draw; None: the whole.
        folds: of the draw; 0: it is not cross-fitted.
    """
    from ssgan_tf.records import SCHEMA_VERSION

    members = drawn.members
    splits: dict[str, Any] = {}
    for split in SPLITS:
        if split in shards:
            there = members.going_to(split)
            splits[split] = {
                "count": int(np.count_nonzero(there)),
                "labelled": int(np.count_nonzero(there & members.labelled)),
                "shards": list(shards[split]),
            }
    labelled = members.going_to("train") & members.labelled
    return {
        "schema_version": SCHEMA_VERSION,
        "source": {"name": source},
        "image_shape": list(shape),
        **asdict(framing),
        "class_names": list(class_names),
        "splits": splits,
        "labels_per_class": _counts(members.labels[labelled], class_names),
        "pixels": _statistics(histogram),
        "duplicates": {"across_splits": int(np.count_nonzero(members.duplicate))},
        "rejected": drawn.rejected_count,
        "seed": seed,
        "labelled_digest": labelled_digest(members),
        "draw": {"method": drawn.method} | ({"folds": folds, "fold": fold} if folds else {}),
    }


def provenance_document(
    *,
    source: str,
    digest: str,
    class_names: Sequence[str],
    drawn: Draw,
    left_out: LeftOut,
    account: Mapping[str, Any] | None = None,
    no_slices: str = "",
) -> dict[str, Any]:
    """Builds what the provenance says: all that would tell of withheld labels or of names.

    Args:
        source: name of the source's kind.
        digest: of the source.
        class_names: names of the classes.
        drawn: the draw.
        left_out: the images that are not used, or not as they could be, by their places.
        account: what became of every file, of a source that is a folder.
        no_slices: which columns of the label file are not kept, and why.
    """
    members = drawn.members
    groups: dict[str, list[dict[str, str]]] = {}
    for member, place in sorted(left_out.contradicted, key=lambda row: (row[0].digest, row[0].own, row[1])):
        entry = {"place": place, "class": class_names[member.label]}
        groups.setdefault(member.digest, []).append(entry)
    return {
        "source": {"name": source, "digest": digest},
        "class_histogram": _counts(members.labels[members.usable & (members.labels >= 0)], class_names),
        "draw": {"method": drawn.method, "thresholds": drawn.thresholds},
        "duplicates": left_out.duplicates,
        "contradicted": list(groups.values()),
        "rejected": [{"place": place, "reason": reason} for place, reason in left_out.rejected],
        "files": account,
        "no_slices": no_slices,
    }


def _counts(labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(class_names))
    return dict(zip(class_names, counts.tolist(), strict=True))


def _statistics(histogram: np.ndarray) -> dict[str, list[float]]:
    """Returns mean and standard deviation (0..255) of each channel over the training images.

    Exact whole-number sums first: the result does not depend on how the images were cut into pieces.
    """
    means, deviations = [], []
    for counts in histogram.tolist():
        count = sum(counts)
        total = sum(value * n for value, n in enumerate(counts))
        squares = sum(value * value * n for value, n in enumerate(counts))
        means.append(total / count)
        deviations.append(math.sqrt(count * squares - total * total) / count)
    return {"mean": means, "std": deviations}


def save(document: Mapping[str, Any], folder: Path) -> None:
    """Writes `dataset.json`, whole or not at all."""
    write_whole(folder / DATASET, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
