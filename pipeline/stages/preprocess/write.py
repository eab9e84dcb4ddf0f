"""Second and third pass: records in the order of the source, then shards in the order of a keyed hash.

    Encode    a piece of the source   -> its records, and where each belongs
    Gather    a shard                 -> its records, in order, from all pieces

A source gives its images in an order that may follow their labels (class folders, sorted by name), so
no record stays where it was; and an image tree or a TFRecord file is read best in its own order. Between
the passes all records lie in the scratch folder: while it writes, preprocessing needs twice their space.

A withheld label does not get here: the plan of a piece holds -1 in its place, and the label that the
source gives with the image is not looked at.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt, receipt_of
from pipeline.errors import DataError, WorkerLost, writing_to
from pipeline.sources.source import Item, Source
from pipeline.stages.preprocess.members import Member
from ssgan_tf import tfrecord
from ssgan_tf.framing import Framing
from ssgan_tf.whole_files import replacing

BLOCK_IMAGES = 512
BLOCK_BYTES = 64 << 20


class Planned(NamedTuple):
    """What becomes of one item: its split ("" if it is left out), its position there, its stored label."""

    checksum: str
    place: str
    key: str
    output: str
    position: int
    label: int


def lay_plans(
    members: Mapping[str, Sequence[Member | None]],
    order: Mapping[str, Sequence[Member]],
    pieces: Sequence[Piece],
    scratch: Path,
) -> dict[Piece, Receipt]:
    """Writes the plan of each piece to `scratch`; returns the receipt that encoding it must give.

    Args:
        members: the items of each source split.
        order: the members of each output split, in the order of their records.
        pieces: of the source.
        scratch: a folder.
    """
    expected = {}
    for records in order.values():
        for index, member in enumerate(records):
            member.position = index
    for piece in pieces:
        plan = [
            Planned("", "", "", "", 0, -1)
            if member is None or member.output is None
            else Planned(
                member.checksum,
                member.place,
                member.key,
                member.output,
                member.position,
                member.stored_label,
            )
            for member in members[piece.split][piece.start : piece.stop]
        ]
        (scratch / f"plan-{piece.stem}.json").write_text(json.dumps(plan))
        expected[piece] = _receipt(plan)
    return expected


def _receipt(rows: Sequence[Planned]) -> Receipt:
    return receipt_of(f"{row.output} {row.position} {row.label} {row.key}" for row in rows if row.output)


def shard_receipts(order: Mapping[str, Sequence[Member]], shards: Sequence[Piece]) -> dict[Piece, Receipt]:
    """Returns the receipt that writing each shard must give: the keys of its records, in their order."""
    return {
        shard: receipt_of(member.key for member in order[shard.split][shard.start : shard.stop])
        for shard in shards
    }


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[IO[bytes]]:
    with replacing(path, durable=False, shared=True) as partial, partial.open("wb") as file:
        yield file


@dataclass(frozen=True)
class Encode:
    """Brings the images of a piece to the record's form.

    Attributes:
        source: the data set.
        scratch: folder with the plans; takes the records.
        shape: (H, W, C) of the records.
        framing: how images of other sizes become records.
    """

    source: Source
    scratch: Path
    shape: tuple[int, int, int]
    framing: Framing

    def __call__(self, piece: Piece) -> Receipt:
        """Writes, for each output split, the records one after the other and a table of where they lie.

        Raises:
            DataError: the source changed since the scan.
        """
        plan = [Planned(*row) for row in json.loads((self.scratch / f"plan-{piece.stem}.json").read_text())]
        histogram = np.zeros((self.shape[2], 256), np.int64)
        tables: dict[str, list[tuple[int, int, int]]] = {}
        ends: dict[str, int] = {}
        written = []
        with contextlib.ExitStack() as stack:
            files: dict[str, IO[bytes]] = {}
            for split in sorted({row.output for row in plan} - {""}):
                files[split] = stack.enter_context(_appearing(self.scratch / f"records-{split}-{piece.stem}"))
                tables[split], ends[split] = [], 0
            for row, record in self._records(piece, plan, histogram):
                tables[row.output].append((row.position, ends[row.output], len(record)))
                ends[row.output] += files[row.output].write(record)
                written.append(row)
        for split, table in tables.items():
            with _appearing(self.scratch / f"table-{split}-{piece.stem}.npy") as file:
                np.save(file, np.array(table, np.int64))
        with _appearing(self.scratch / f"histogram-{piece.stem}.npy") as file:
            np.save(file, histogram)
        return _receipt(written)

    def _records(
        self, piece: Piece, plan: Sequence[Planned], histogram: np.ndarray
    ) -> Iterator[tuple[Planned, bytes]]:
        from pipeline.images.decoding import encode
        from ssgan_tf.records import RecordForm

        form = RecordForm(*self.shape)
        for rows, images in self._blocks(piece, plan):
            in_training = images[np.array([row.output == "train" for row in rows])]
            for channel, counts in enumerate(histogram):
                counts += np.bincount(in_training[..., channel].ravel(), minlength=256)
            for row, png in zip(rows, encode(images), strict=True):
                yield row, form.serialise(png=png, label=row.label, key=row.key)

    def _blocks(self, piece: Piece, plan: Sequence[Planned]) -> Iterator[tuple[list[Planned], np.ndarray]]:
        rows: list[Planned] = []
        images: list[np.ndarray] = []
        size = 0
        items = self.source.read(piece.split, piece.start, piece.stop)
        for row, item in zip(plan, items, strict=True):
            if not row.output:
                continue
            if item.problem is not None or item.checksum != row.checksum:
                raise DataError(f"image {row.place!r} changed while it was being read. Run again.")
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
            encoded = item.encoded or b""
            background = self.framing.background
            pixels = decode(encoded, background=background)
            if pixels.shape[2] != self.shape[2]:
                pixels = decode(encoded, self.shape[2], background)
            # large photographs become records at once, so that a block of them stays small
            return record_images(pixels[None], self.shape, self.framing)[0]
        except Rejected as error:
            raise DataError(f"image {row.place!r} changed while it was being read: {error}.") from None

    def _batch(self, images: Sequence[np.ndarray]) -> np.ndarray:
        from pipeline.images.decoding import record_images

        if len({image.shape for image in images}) == 1:
            return record_images(np.stack(images), self.shape, self.framing)
        return np.concatenate([record_images(image[None], self.shape, self.framing) for image in images])


@dataclass(frozen=True)
class Gather:
    """Writes a shard; a piece's split is an output split here, and its range one of record positions.

    Attributes:
        scratch: folder with the records of all pieces of the source; takes what is said about the shard.
        output: folder of the shards.
    """

    scratch: Path
    output: Path

    def __call__(self, piece: Piece) -> Receipt:
        """Writes one shard.

        Raises:
            DataError: the folder cannot be written to.
        """
        from ssgan_tf.records import shard_name, write_records

        name = shard_name(piece.split, piece.number, piece.of)
        keys: list[str] = []
        with writing_to(self.output):
            # half a shard, of a worker that was killed, stays where it is removed
            about = write_records(self.scratch / name, self._noting(piece, keys), shared=True)
            (self.scratch / name).replace(self.output / name)
        with _appearing(self.scratch / f"shard-{piece.stem}.json") as file:
            file.write(json.dumps(about).encode())
        return receipt_of(keys)

    def _noting(self, piece: Piece, keys: list[str]) -> Iterator[bytes]:
        for record in self._records(piece):
            keys.append(tfrecord.key_in(record))
            yield record

    def _records(self, piece: Piece) -> Iterator[bytes]:
        files: list[int] = []
        found: list[np.ndarray] = []
        try:
            for path in sorted(self.scratch.glob(f"table-{piece.split}-*.npy")):
                table = np.load(path)
                mine = table[(table[:, 0] >= piece.start) & (table[:, 0] < piece.stop)]
                name = path.stem.replace("table-", "records-", 1)
                found.append(np.column_stack([mine, np.full(len(mine), len(files))]))
                files.append(os.open(self.scratch / name, os.O_RDONLY))
            rows = np.concatenate(found)
            for _, offset, length, file in rows[rows[:, 0].argsort()].tolist():
                yield os.pread(files[file], length, offset)
        finally:
            for file in files:
                os.close(file)


def collect_shards(pieces: Sequence[Piece], scratch: Path, output: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns what `write_records` says of each shard, by output split, in order.

    Raises:
        WorkerLost: a shard in `output` has another size.
    """
    shards: dict[str, list[dict[str, Any]]] = {}
    for piece in pieces:
        about = json.loads((scratch / f"shard-{piece.stem}.json").read_text())
        if (size := (output / about["name"]).stat().st_size) != about["bytes"]:
            raise WorkerLost(f"{about['name']} has {size} bytes, {about['bytes']} were written. Run again.")
        shards.setdefault(piece.split, []).append(about)
    return shards


def collect_histogram(pieces: Sequence[Piece], scratch: Path) -> np.ndarray:
    """Returns how often each value is in the training images, int [C, 256]."""
    return np.sum([np.load(scratch / f"histogram-{piece.stem}.npy") for piece in pieces], axis=0)
