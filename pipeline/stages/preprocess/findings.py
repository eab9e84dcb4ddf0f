"""What the first pass found of all items of a source, in arrays; what is text stays in the scratch folder.

Of an item 21 bytes are held. Places (paths of files, say) are read again, piece by piece, where they are
needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt, receipt_of
from pipeline.data_schema.schema import Inference
from pipeline.errors import WorkerLost

FOUND = np.dtype(
    [
        ("digest", "u1", 16),
        ("label", "i4"),
        ("height", "i4"),
        ("width", "i4"),
        ("channels", "u1"),
        ("brightness", "u1"),
        ("contrast", "u1"),
        ("usable", "?"),
        ("offset", "i8"),
        ("kept_height", "i4"),
        ("kept_width", "i4"),
        ("kept_channels", "u1"),
    ]
)
"""What a piece's file has of each item: `digest` of the decoded pixels, `label` (-1: none), the picture's
sides, channels and light, whether it can be used, and where its kept pixels lie in the piece's other file."""


class Rejected(NamedTuple):
    """An item that cannot be used: its row, where it lies in the source, and why."""

    row: int
    place: str
    reason: str


@dataclass
class Sizes:
    """Which sizes and kinds the usable images have.

    Attributes:
        smallest, largest: (height, width) with the fewest and the most pixels.
        highest: (height, width) of the highest image, the widest of these.
        several: whether there is more than one size.
        grey: whether all are without colour.
        any: whether there is an image.
    """

    smallest: tuple[int, int] = (0, 0)
    largest: tuple[int, int] = (0, 0)
    highest: tuple[int, int] = (0, 0)
    several: bool = False
    grey: bool = True
    any: bool = False

    def add(self, heights: np.ndarray, widths: np.ndarray, channels: np.ndarray) -> None:
        """Takes the sizes of a piece's usable images, [n] each."""
        if not len(heights):
            return
        pairs = {(h, w) for h, w in np.unique(np.column_stack([heights, widths]), axis=0).tolist()}
        if self.any:
            pairs |= {self.smallest, self.largest, self.highest}
        self.smallest, self.largest = (by(pairs, key=lambda p: (math.prod(p), p)) for by in (min, max))
        self.highest = max(pairs)
        self.several |= len(pairs) > 1
        self.grey &= bool((channels <= 2).all())
        self.any = True


@dataclass
class Findings:
    """What is known of the N items of a source; a row is an item's place in all of them.

    Attributes:
        splits: source split, by name, to its rows.
        digests: uint8 [N, 16], of the decoded pixels; zeros for a rejected item.
        labels: int32 [N], class index in the source, -1 where it has none.
        usable: bool [N].
        rejected: the items that cannot be used.
        sizes: of the usable ones.
        schema: counts of what they look like.
        parts: of each piece its first row and what reads its places.
    """

    splits: dict[str, range]
    digests: np.ndarray
    labels: np.ndarray
    usable: np.ndarray
    rejected: list[Rejected] = field(default_factory=list)
    sizes: Sizes = field(default_factory=Sizes)
    schema: Inference = field(default_factory=Inference)
    parts: list[tuple[int, Callable[[], Sequence[str]]]] = field(default_factory=list)

    @classmethod
    def empty(cls, sizes: Mapping[str, int]) -> Findings:
        """Makes room for so many items of each split."""
        splits, start = {}, 0
        for split, size in sorted(sizes.items()):
            splits[split] = range(start, start + size)
            start += size
        return cls(
            splits, np.zeros((start, 16), np.uint8), np.full(start, -1, np.int32), np.zeros(start, np.bool_)
        )

    def put(self, row: int, table: np.ndarray, places: Callable[[], Sequence[str]]) -> None:
        """Takes what was found of a piece, of type `FOUND`, from a row on."""
        stop = row + len(table)
        self.digests[row:stop], self.labels[row:stop] = table["digest"], table["label"]
        self.usable[row:stop] = table["usable"]
        usable = table[table["usable"]]
        self.sizes.add(usable["height"], usable["width"], usable["channels"])
        self.schema.add(usable, rejected=len(table) - len(usable))
        self.parts.append((row, places))

    def places(self) -> Iterator[str]:
        """Yields where each item lies in the source, in the order of the rows."""
        for _, read in self.parts:
            yield from read()

    def places_at(self, rows: Sequence[int]) -> list[str]:
        """Returns where some items lie; of a few, or each of their pieces is read."""
        starts = [start for start, _ in self.parts]
        piece_of = np.searchsorted(starts, rows, side="right") - 1
        found: dict[int, str] = {}
        for piece in np.unique(piece_of).tolist():
            start, read = self.parts[piece]
            places = read()
            found |= {row: places[row - start] for row, of in zip(rows, piece_of, strict=True) if of == piece}
        return [found[row] for row in rows]


def table_file(scratch: Path, piece: Piece) -> Path:
    """Where the table of a piece lies, `FOUND` [n]."""
    return scratch / f"scan-{piece.stem}.npy"


def texts_file(scratch: Path, piece: Piece) -> Path:
    """Where the places of a piece lie, and the reasons of those that cannot be used: JSON."""
    return scratch / f"texts-{piece.stem}.json"


def kept_file(scratch: Path, piece: Piece) -> Path:
    """Where the pixels lie that are kept of a piece's images."""
    return scratch / f"kept-{piece.stem}"


def scan_receipt(table: np.ndarray, places: Sequence[str]) -> Receipt:
    """Returns the receipt of a piece's items, by digest and place."""
    text = table["digest"].tobytes().hex()
    return receipt_of(
        f"{text[32 * at : 32 * at + 32] if usable else ''} {place}"
        for at, (usable, place) in enumerate(zip(table["usable"].tolist(), places, strict=True))
    )


def collect(pieces: Sequence[Piece], scratch: Path, receipts: Mapping[Piece, Receipt]) -> Findings:
    """Brings the findings of all pieces together.

    Raises:
        WorkerLost: what lies there is not what the workers say that they wrote.
    """
    sizes: dict[str, int] = {}
    for piece in pieces:
        sizes[piece.split] = sizes.get(piece.split, 0) + piece.stop - piece.start
    findings = Findings.empty(sizes)
    for piece in sorted(pieces):
        table = np.load(table_file(scratch, piece), allow_pickle=False)
        texts = json.loads(texts_file(scratch, piece).read_text(encoding="utf-8"))
        if scan_receipt(table, texts["places"]) != receipts.get(piece):
            raise WorkerLost(f"the findings of {piece.stem} are not those that a worker wrote. Run again.")
        first = findings.splits[piece.split].start + piece.start
        findings.put(first, table, _reader(texts_file(scratch, piece)))
        findings.rejected += [
            Rejected(first + int(at), texts["places"][int(at)], reason)
            for at, reason in texts["reasons"].items()
        ]
    return findings


def _reader(path: Path) -> Callable[[], Sequence[str]]:
    return lambda: json.loads(path.read_text(encoding="utf-8"))["places"]
