"""Second pass: read every kept image again, bring it to the record's size, and write the shards.

A withheld label does not get here: the plan of a piece holds -1 in its place, and the label that the
source gives with the image is not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.beam.pieces import Piece
from pipeline.errors import DataError, writing_to
from pipeline.sources.source import Item, Source
from pipeline.stages.preprocess.draw import Draw, Member

BLOCK_IMAGES = 512
BLOCK_BYTES = 64 << 20


class Planned(NamedTuple):
    """What becomes of one item: `output` is its split ("" if it is left out), `label` the stored one."""

    digest: str
    key: str
    output: str
    label: int


class Written(NamedTuple):
    """What one piece wrote.

    Attributes:
        shards: for each output split `{"name", "records", "bytes", "sha256"}`.
        histogram: int [C, 256], how often each value is in the training images, for each channel.
    """

    shards: dict[str, dict[str, Any]]
    histogram: list[list[int]]


def lay_plans(drawn: Draw, pieces: Sequence[Piece], scratch: Path) -> None:
    """Writes the plan of each piece to `scratch`."""
    for piece in pieces:
        members = drawn.members[piece.split][piece.start : piece.stop]
        (scratch / f"plan-{piece.stem}.json").write_text(json.dumps([_planned(m) for m in members]))


def _planned(member: Member | None) -> Planned:
    if member is None or member.output is None:
        return Planned("", "", "", -1)
    return Planned(member.digest, member.key, member.output, member.stored_label)


@dataclass(frozen=True)
class Write:
    """Writes the shards of a piece, one for each of its split's output splits.

    Attributes:
        source: the data set.
        scratch: folder with the plans; takes what is said about the shards.
        output: folder of the shards.
        shape: (H, W, C) of the records.
        outputs: source split to the output splits that its items go to, the largest first.
        background: level 0..255 behind transparent pixels.
    """

    source: Source
    scratch: Path
    output: Path
    shape: tuple[int, int, int]
    outputs: dict[str, tuple[str, ...]]
    background: int

    def __call__(self, piece: Piece) -> None:
        """Writes one piece.

        Raises:
            DataError: the source changed since the scan, or the folder cannot be written to.
        """
        from ssgan_tf.records import shard_name, write_records

        plan = [Planned(*row) for row in json.loads((self.scratch / f"plan-{piece.stem}.json").read_text())]
        main, *others = self.outputs[piece.split]
        held: dict[str, list[bytes]] = {split: [] for split in others}
        histogram = np.zeros((self.shape[2], 256), np.int64)
        shards = {}
        with writing_to(self.output):
            # the largest split is streamed to its file; the small ones wait in memory
            path = self.output / shard_name(main, piece.number, piece.of)
            shards[main] = write_records(path, self._records(piece, plan, main, held, histogram))
            for split in others:
                path = self.output / shard_name(split, piece.number, piece.of)
                shards[split] = write_records(path, held[split])
            report = json.dumps(Written(shards, histogram.tolist()))
            partial = self.scratch / f"written-{piece.stem}.partial"
            partial.write_text(report)
            partial.rename(partial.with_suffix(".json"))

    def _records(
        self,
        piece: Piece,
        plan: Sequence[Planned],
        main: str,
        held: dict[str, list[bytes]],
        histogram: np.ndarray,
    ) -> Iterator[bytes]:
        from pipeline.images.decoding import encode
        from ssgan_tf.records import example_bytes

        for rows, images in self._blocks(piece, plan):
            in_training = images[np.array([row.output == "train" for row in rows])]
            for channel, counts in enumerate(histogram):
                counts += np.bincount(in_training[..., channel].ravel(), minlength=256)
            height, width, channels = self.shape
            for row, png in zip(rows, encode(images), strict=True):
                record = example_bytes(
                    png=png, height=height, width=width, channels=channels, label=row.label, key=row.key
                )
                if row.output == main:
                    yield record
                else:
                    held[row.output].append(record)

    def _blocks(self, piece: Piece, plan: Sequence[Planned]) -> Iterator[tuple[list[Planned], np.ndarray]]:
        rows: list[Planned] = []
        images: list[np.ndarray] = []
        size = 0
        items = self.source.read(piece.split, piece.start, piece.stop)
        for row, item in zip(plan, items, strict=True):
            if not row.output:
                continue
            if item.digest != row.digest:
                raise DataError(f"image {row.key!r} changed while it was being read. Run again.")
            pixels = self._pixels(row, item)
            rows.append(row)
            images.append(pixels)
            size += pixels.nbytes
            if len(rows) == BLOCK_IMAGES or size >= BLOCK_BYTES:
                yield rows, self._batch(images)
                rows, images, size = [], [], 0
        if rows:
            yield rows, self._batch(images)

    def _pixels(self, row: Planned, item: Item) -> np.ndarray:
        from pipeline.images.decoding import decode, record_images
        from pipeline.images.rejected import Rejected

        if item.pixels is not None:
            return item.pixels
        try:
            # large photographs become records at once, so that a block of them stays small
            image = decode(item.encoded or b"", self.shape[2], self.background)
            return record_images(image[None], self.shape, self.background)[0]
        except Rejected as error:
            raise DataError(f"image {row.key!r} changed while it was being read: {error}.") from None

    def _batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        from pipeline.images.decoding import record_images

        if len({image.shape for image in images}) == 1:
            return record_images(np.stack(images), self.shape, self.background)
        return np.concatenate([record_images(image[None], self.shape, self.background) for image in images])


def collect(pieces: Sequence[Piece], scratch: Path) -> dict[Piece, Written]:
    """Returns what each piece wrote, in order."""
    found = {}
    for piece in sorted(pieces):
        found[piece] = Written(*json.loads((scratch / f"written-{piece.stem}.json").read_text()))
    return found
