"""What an exported classifier sees in image files: features, confidences and classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import DataError
from pipeline.exported import layout
from pipeline.stages.predict.classifiers import SavedModelClassifier
from pipeline.stages.predict.inputs import Entry, Unreadable, find_entries, read_entries
from pipeline.terminal import Terminal
from ssgan_tf.metrics.shift import Seen
from ssgan_tf.reference import MOST_IMAGES

BATCH = 64
SEED = 15


class Observed(NamedTuple):
    """What was seen: `seen`, `looks_familiar` [N] (None: the model has none), how many are `unread`."""

    seen: Seen
    looks_familiar: np.ndarray | None
    unread: int


class Observer(SavedModelClassifier):
    """The signature `features_bytes`: answers are rows of features, class, confidence, familiarity."""

    signature = layout.FEATURES_BYTES

    def rows(self, outputs: dict[str, np.ndarray]) -> list[Any]:
        """One tuple an image."""
        names = ("features", "confidence", "class_id", "looks_familiar")
        return list(zip(*(outputs[name] for name in names if name in outputs), strict=True))


def observe(version: Path, inputs: Sequence[str], terminal: Terminal) -> Observed:
    """Looks at image files with an exported classifier.

    Args:
        version: the SavedModel's folder.
        inputs: files, folders, patterns and TFRecord files; of more than 2,000 images as many are drawn.
        terminal: shows progress.

    Raises:
        DataError: the model cannot be loaded or has no such signature, an input is absent, or no image can
            be read.
    """
    entries = drawn(find_entries(inputs))
    observer = Observer(version)
    rows: list[Any] = []
    failed: list[str] = []
    with terminal.progress("look", len(entries)) as progress:
        for start in range(0, len(entries), BATCH):
            part = entries[start : start + BATCH]
            batch = list(zip(part, read_entries(part), strict=True))
            failed += [f"{entry.name!r}: {data}" for entry, data in batch if isinstance(data, Unreadable)]
            good = [(entry, data) for entry, data in batch if isinstance(data, bytes)]
            for (entry, _), row in zip(good, observer.answer([data for _, data in good]), strict=True):
                if isinstance(row, str):
                    failed.append(f"{entry.name!r}: {row}")
                else:
                    rows.append(row)
            progress.update(start + len(batch))
    if not rows:
        raise DataError(f"none of the {len(entries)} images can be used; the first, {failed[0]}.")
    if failed:
        terminal.warn(f"{len(failed)} of {len(entries)} images cannot be used; the first, {failed[0]}.")
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Observed(Seen(*columns[:3]), columns[3] if len(columns) > 3 else None, len(failed))


def drawn(entries: Sequence[Entry]) -> Sequence[Entry]:
    """All entries or, of too many, as many as are compared, drawn at random from a fixed seed."""
    if len(entries) <= MOST_IMAGES:
        return entries
    places = np.random.default_rng(SEED).choice(len(entries), MOST_IMAGES, replace=False)
    return [entries[place] for place in np.sort(places)]
