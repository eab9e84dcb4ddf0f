"""First pass: read every image once, check it, and note its digest, label and size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.beam.pieces import Piece
from pipeline.data_schema.light import brightness_and_contrast
from pipeline.errors import DataError
from pipeline.sources.source import Item, Source, content_digest
from ssgan_tf.whole_files import replacing


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

    def __call__(self, piece: Piece) -> None:
        """Scans one piece.

        Raises:
            DataError: the source is damaged; or, when strict, an image cannot be used.
        """
        rows = []
        for item in self.source.read(piece.split, piece.start, piece.stop):
            row = _look(item, self.background)
            if row.reason and self.strict:
                raise DataError(f"image {row.place!r} cannot be used: {row.reason}.")
            rows.append(row)
        if len(rows) != piece.stop - piece.start:
            raise DataError(
                f"the source gave {len(rows)} items of split {piece.split!r} from {piece.start} to "
                f"{piece.stop}; it is damaged or changed while it was being read."
            )
        path = self.scratch / f"scan-{piece.stem}.json"
        with replacing(path, durable=False) as partial:
            partial.write_text(json.dumps(rows))


def _look(item: Item, background: int) -> Scanned:
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


def collect(pieces: list[Piece], scratch: Path) -> dict[str, list[Scanned]]:
    """Returns the findings of all pieces, by split, in the source's order."""
    found: dict[str, list[Scanned]] = {}
    for piece in sorted(pieces):
        rows = json.loads((scratch / f"scan-{piece.stem}.json").read_text())
        found.setdefault(piece.split, []).extend(Scanned(*row) for row in rows)
    return found
