"""First pass: read every image once, check it, and note its digest, label and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt, receipt_of
from pipeline.data_schema.light import brightness_and_contrast
from pipeline.errors import DataError, WorkerLost
from pipeline.sources.source import Item, Source, content_digest
from ssgan_tf.whole_files import replacing

_LOOKED_AT_AGAIN = 200


class Scanned(NamedTuple):
    """What is known of one item.

    Attributes:
        digest: of its decoded pixels; "" for a rejected item.
        checksum: of what the source gave, to notice a change before the second reading.
        place: where it lies in the source.
        label: class index in the source, -1 where it has none.
        height, width, channels: as stored; 0 for a rejected item.
        reason: why it is rejected, else "".
        brightness, contrast: mean and standard deviation of its values; 0 for a rejected item.
    """

    digest: str
    checksum: str
    place: str
    label: int
    height: int
    width: int
    channels: int
    reason: str
    brightness: int = 0
    contrast: int = 0


@dataclass(frozen=True)
class Scan:
    """Reads a piece and writes what it found to `scratch`.

    Attributes:
        source: the data set.
        scratch: folder for the findings.
        strict: fail on the first image that cannot be used.
        background: level 0..255 behind transparent pixels, which is part of what is seen.
    """

    source: Source
    scratch: Path
    strict: bool
    background: int

    def __call__(self, piece: Piece) -> Receipt:
        """Scans one piece.

        Raises:
            DataError: the source is damaged; or, when strict, an image cannot be used.
        """
        rows = []
        for item in self.source.read(piece.split, piece.start, piece.stop):
            row = look(item, self.background)
            if row.reason and self.strict:
                raise DataError(f"image {row.place!r} cannot be used: {row.reason}.")
            rows.append(row)
        if len(rows) != piece.stop - piece.start:
            raise DataError(
                f"the source gave {len(rows)} items of split {piece.split!r} from {piece.start} to "
                f"{piece.stop}; it is damaged or changed while it was being read."
            )
        path = self.scratch / f"scan-{piece.stem}.json"
        with replacing(path, durable=False, shared=True) as partial:
            partial.write_text(json.dumps(rows))
        return _receipt(rows)


def _receipt(rows: list[Scanned]) -> Receipt:
    return receipt_of(f"{row.digest} {row.place}" for row in rows)


def look(item: Item, background: int) -> Scanned:
    """Returns what is known of an item, decoding it if its source has not."""
    pixels, reason = item.pixels, item.problem or ""
    if pixels is None and not reason:
        # loads TensorFlow, which a scan of arrays can do without
        from pipeline.images.decoding import decode
        from pipeline.images.rejected import Rejected

        try:
            pixels = decode(item.encoded or b"", background=background)
        except Rejected as error:
            reason = str(error)
    if pixels is None:
        return Scanned("", "", item.place, item.label, 0, 0, 0, reason)
    height, width, channels = pixels.shape
    # of grey pixels as they are, both are the same: most of a scan's time goes into them
    plain = pixels is item.pixels and channels == 1
    digest = item.checksum if plain else content_digest(pixels)
    light = brightness_and_contrast(pixels)
    return Scanned(digest, item.checksum, item.place, item.label, height, width, channels, reason, *light)


def collect(
    pieces: list[Piece], scratch: Path, receipts: Mapping[Piece, Receipt]
) -> dict[str, list[Scanned]]:
    """Returns the findings of all pieces, by split, in the source's order.

    Raises:
        WorkerLost: what lies there is not what the workers say that they wrote.
    """
    found: dict[str, list[Scanned]] = {}
    for piece in sorted(pieces):
        listed = json.loads((scratch / f"scan-{piece.stem}.json").read_text())
        # of grey arrays the two are the same, and a million texts of 32 characters have 80 MB
        rows = [Scanned(row[0], row[0] if row[1] == row[0] else row[1], *row[2:]) for row in listed]
        if _receipt(rows) != receipts.get(piece):
            raise WorkerLost(f"the findings of {piece.stem} are not those that a worker wrote. Run again.")
        found.setdefault(piece.split, []).extend(rows)
    return found


def check_seen(source: Source, scanned: Mapping[str, list[Scanned]], background: int) -> None:
    """Looks at rejected images once more, from here: an engine's worker may not see every file.

    Of very many the first ones: a worker that lacks some lacks many.

    Raises:
        DataError: an image can be used that a worker rejected, or has another reason here.
    """
    for split, rows in scanned.items():
        rejected = [index for index, row in enumerate(rows) if row.reason]
        for index in rejected[:_LOOKED_AT_AGAIN]:
            here = look(next(iter(source.read(split, index, index + 1))), background)
            if here.reason != rows[index].reason:
                raise DataError(
                    f"a worker could not use the image {rows[index].place!r} ({rows[index].reason}), which "
                    "can be used from here, or has another fault: every worker must see the whole data set "
                    "at the same path."
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
