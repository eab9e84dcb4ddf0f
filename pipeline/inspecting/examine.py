"""A walk through the images of a source: each is read once, and nothing of it is written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.inspecting.look import Seen, look
from pipeline.inspecting.pictures import shrunk
from pipeline.inspecting.sample import ranges
from pipeline.sources.source import Source
from pipeline.stages.preprocess.document import image_shape
from pipeline.stages.preprocess.findings import Sizes
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal

# of each class so many pictures, of so many classes, for the contact sheet
PICTURES, CLASSES = 10, 60
# so many are encoded as records would be, to know how large those are
ENCODED = 48
# frame, features and key of a record besides its picture
_OVERHEAD = 250


@dataclass
class Walk:
    """What a walk brings home.

    Attributes:
        seen: of each image that was looked at.
        pictures: label to (digest, place, small picture) of a few images.
        seconds: that preparing spends on one image.
        record: (height, width, channels) of records; None where there is no usable image.
        record_bytes: of one, on average.
    """

    seen: list[Seen] = field(default_factory=list)
    pictures: dict[int, list[tuple[str, str, np.ndarray]]] = field(default_factory=dict)
    seconds: float = 0.0
    record: tuple[int, int, int] | None = None
    record_bytes: float = 0.0


def walk(source: Source, config: DataConfig, most: int, terminal: Terminal) -> Walk:
    """Looks at the images of a source.

    Args:
        source: the data set.
        config: the background, and what is said of the records' size.
        most: how many images at most (a block of 64 a split more).
        terminal: shows progress.

    Raises:
        DataError: a file that lists or holds the images is missing or damaged.
    """
    found = Walk()
    parts = list(ranges(source.splits(), most))
    total = sum(stop - start for _, start, stop in parts)
    background = config.framing.background
    kept: list[np.ndarray] = []
    clock: list[float] = []
    with terminal.progress("look", total) as progress:
        for split, start, stop in parts:
            for position, item in enumerate(source.read(split, start, stop), start):
                seen, pixels = look(item, split, position, background, clock)
                found.seen.append(seen)
                if pixels is None:
                    continue
                _keep(found.pictures, seen, pixels)
                if len(found.seen) % max(1, total // ENCODED) == 0 and len(kept) < ENCODED:
                    kept.append(shrunk(pixels, 512))
                if len(found.seen) % 64 == 0 and len(found.seen) < total:
                    progress.update(len(found.seen))
        progress.update(total)
    # a mean, but of the first, which loads libraries
    found.seconds = statistics.fmean(clock[1:]) if clock[1:] else 0.0
    usable = [one for one in found.seen if not one.reason]
    if usable:
        sizes = Sizes()
        sizes.add(
            np.array([one.height for one in usable]),
            np.array([one.width for one in usable]),
            np.array([one.channels for one in usable]),
        )
        found.record = image_shape(sizes, size=config.image_size, channels=config.channels)
        found.record_bytes = _record_bytes(kept, found.record, config)
    return found


def _keep(pictures: dict[int, list[tuple[str, str, np.ndarray]]], seen: Seen, pixels: np.ndarray) -> None:
    """Keeps the pictures of a class with the smallest digests: as good as drawn, and the same every time."""
    if seen.label not in pictures and len(pictures) > CLASSES:
        return
    few = pictures.setdefault(seen.label, [])
    if len(few) < PICTURES or seen.digest < few[-1][0]:
        few.append((seen.digest, seen.place, shrunk(pixels)))
        few.sort(key=lambda one: one[:2])
        del few[PICTURES:]


def _record_bytes(pictures: Sequence[np.ndarray], shape: tuple[int, int, int], config: DataConfig) -> float:
    if not pictures:
        return float(np.prod(shape)) + _OVERHEAD
    from pipeline.images.decoding import encode, record_images

    sizes = [len(encode(record_images(one[None], shape, config.framing))[0]) for one in pictures]
    return float(np.mean(sizes)) + _OVERHEAD


def estimate(found: Walk, total: int) -> dict[str, Any]:
    """What preparing the whole data set will take, from what looking at a part of it took.

    Preparing decodes each image once, on one core, and keeps its pixels until the record is written.
    """
    size = found.record_bytes * total
    pixels = math.prod(found.record) * total if found.record else 0
    return {
        "prepare_seconds": round(found.seconds * total, 1),
        "disk_bytes": round(size),
        "disk_bytes_while_it_works": round(size + pixels),
        "record": list(found.record) if found.record else None,
    }
