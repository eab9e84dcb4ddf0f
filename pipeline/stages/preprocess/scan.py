"""First pass: read and decode every image once, check it, note what it is like, and keep its pixels.

What is kept is what a record is made of: the picture at the record's size where that is known before all
images are, else a small picture as it is. So no image is decoded again once the labels are drawn, and until
the records are written the scratch folder holds the pixels, as many bytes as they have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt
from pipeline.data_schema.light import brightness_and_contrast
from pipeline.errors import DataError
from pipeline.sources.source import Item, Source, content_digests
from pipeline.stages.preprocess.findings import (
    FOUND,
    Findings,
    kept_file,
    scan_receipt,
    table_file,
    texts_file,
)
from ssgan_tf.framing import Framing
from ssgan_tf.whole_files import replacing

DEFAULT_SIDE = 64
_LOOKED_AT_AGAIN = 200
_BLOCK_IMAGES = 64
_BLOCK_BYTES = 8 << 20


class Looked(NamedTuple):
    """One image, looked at: its pixels uint8 [h, w, c], or None and why it is rejected."""

    item: Item
    pixels: np.ndarray | None
    reason: str


@dataclass(frozen=True)
class Kept:
    """In which form pixels are kept: as near to the record's as is known before all images are.

    Attributes:
        size: side of the records; None: that of the images where they are small and all have one.
        channels: of the records; None: as the images have.
        framing: how images of other sizes become records.
    """

    size: int | None
    channels: int | None
    framing: Framing

    def shape(self, height: int, width: int, channels: int) -> tuple[int, int, int]:
        """Returns the shape in which an image of a shape is kept."""
        if self.size is not None:
            height = width = self.size
        elif max(height, width) > DEFAULT_SIDE:
            # whatever the others are like: see `document.image_shape`
            height = width = DEFAULT_SIDE
        return height, width, self.channels or (1 if channels <= 2 else 3)


@dataclass(frozen=True)
class Scan:
    """Reads a piece and writes what it found, and the pixels, to `scratch`.

    Attributes:
        source: the data set.
        scratch: folder for the findings.
        strict: fail on the first image that cannot be used.
        kept: in which form pixels are kept; its background is part of what is seen.
    """

    source: Source
    scratch: Path
    strict: bool
    kept: Kept

    def __call__(self, piece: Piece) -> Receipt:
        """Scans one piece.

        Raises:
            DataError: the source is damaged; or, when strict, an image cannot be used.
        """
        size = piece.stop - piece.start
        table = np.zeros(size, FOUND)
        places: list[str] = []
        labels: list[int] = []
        reasons: dict[int, str] = {}
        with (
            replacing(kept_file(self.scratch, piece), durable=False, shared=True) as partial,
            partial.open("wb") as file,
        ):
            keeper = _Keeper(self.kept, file, table)
            items = self.source.read(piece.split, piece.start, piece.stop)
            for item, pixels, reason in look(items, self.kept.framing.background):
                if reason and self.strict:
                    raise DataError(f"image {item.place!r} cannot be used: {reason}.")
                at = len(places)
                places.append(item.place)
                labels.append(item.label)
                if at >= size:
                    continue
                if pixels is None:
                    reasons[at] = reason
                else:
                    keeper.keep(at, pixels)
            keeper.flush()
        if len(places) != size:
            raise DataError(
                f"the source gave {len(places)} items of split {piece.split!r} from {piece.start} to "
                f"{piece.stop}; it is damaged or changed while it was being read."
            )
        table["label"] = labels
        with (
            replacing(table_file(self.scratch, piece), durable=False, shared=True) as partial,
            partial.open("wb") as file,
        ):
            np.save(file, table)
        with replacing(texts_file(self.scratch, piece), durable=False, shared=True) as partial:
            partial.write_text(json.dumps({"places": places, "reasons": reasons}), encoding="utf-8")
        return scan_receipt(table, places)


@dataclass
class _Keeper:
    """Writes pixels in the form in which they are kept, and into the table where, and what they are like."""

    kept: Kept
    file: IO[bytes]
    table: np.ndarray
    end: int = 0
    waiting: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def keep(self, at: int, pixels: np.ndarray) -> None:
        """Takes the pixels of a row; those of one shape are looked at and converted together."""
        if self.waiting and (
            pixels.shape != self.waiting[0][1].shape
            or len(self.waiting) == _BLOCK_IMAGES
            or len(self.waiting) * pixels.nbytes > _BLOCK_BYTES
        ):
            self.flush()
        self.waiting.append((at, pixels))

    def flush(self) -> None:
        """Notes and writes what was taken."""
        if not self.waiting:
            return
        rows = [at for at, _ in self.waiting]
        images = np.stack([pixels for _, pixels in self.waiting])
        self.waiting = []
        self._note(rows, images)
        shape = self.kept.shape(*images.shape[1:])
        if images.shape[1:] != shape:
            from pipeline.images.decoding import record_images

            images = record_images(images, shape, self.kept.framing)
        self.table["kept_height"][rows], self.table["kept_width"][rows] = shape[:2]
        self.table["kept_channels"][rows] = shape[2]
        self.table["offset"][rows] = self.end + images[0].nbytes * np.arange(len(rows))
        self.end += self.file.write(images.data)

    def _note(self, rows: list[int], images: np.ndarray) -> None:
        table = self.table
        table["digest"][rows] = content_digests(images)
        table["height"][rows], table["width"][rows], table["channels"][rows] = images.shape[1:]
        table["brightness"][rows], table["contrast"][rows] = brightness_and_contrast(images)
        table["usable"][rows] = True


def look(items: Iterator[Item], background: int) -> Iterator[Looked]:
    """Yields what is seen of each item, decoding those that their source has not."""
    block: list[Item] = []
    size = 0
    for item in items:
        block.append(item)
        size += len(item.encoded or b"")
        if len(block) == _BLOCK_IMAGES or size >= _BLOCK_BYTES:
            yield from _looked_at(block, background)
            block, size = [], 0
    yield from _looked_at(block, background)


def _looked_at(items: Sequence[Item], background: int) -> Iterator[Looked]:
    files = [item.encoded or b"" for item in items if item.pixels is None and not item.problem]
    decoded: Iterator[Any] = iter(())
    if files:
        # loads TensorFlow, which a scan of arrays can do without
        from pipeline.images.decoding import decode_block

        decoded = decode_block(files, background)
    for item in items:
        if item.pixels is not None or item.problem:
            yield Looked(item, item.pixels, item.problem or "")
            continue
        found = next(decoded)
        if isinstance(found, np.ndarray):
            yield Looked(item, found, "")
        else:
            yield Looked(item, None, str(found))


def check_seen(source: Source, findings: Findings, background: int) -> None:
    """Looks at rejected images once more, from here: an engine's worker may not see every file.

    Of very many the first ones: a worker that lacks some lacks many.

    Raises:
        DataError: an image can be used that a worker rejected, or has another reason here.
    """
    for split, rows in findings.splits.items():
        rejected = [found for found in findings.rejected if found.row in rows]
        for row, place, reason in rejected[:_LOOKED_AT_AGAIN]:
            index = row - rows.start
            here = next(look(source.read(split, index, index + 1), background))
            if here.reason != reason:
                raise DataError(
                    f"a worker could not use the image {place!r} ({reason}), which can be used from here, or "
                    "has another fault: every worker must see the whole data set at the same path."
                )


@dataclass(frozen=True)
class SourceProbe:
    """Reads the first item of every split, so that a worker that sees another data set is found at once."""

    source: Source

    def __call__(self) -> str:
        """Returns what tells these items from others.

        Raises:
            DataError: a file of the source is missing or damaged.
        """
        said = []
        for split in sorted(self.source.splits()):
            for item in self.source.read(split, 0, 1):
                said.append(f"{split} {item.place!r} {item.label} {item.problem or item.checksum}")
        return "; ".join(said)
