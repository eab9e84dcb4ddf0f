"""Second pass: the kept pixels become records, in shards that lie in the order of a keyed hash.

A source gives its images in an order that may follow their labels (class folders, sorted by name), so no
record stays where it was; and an image tree or a TFRecord file is read best in its own order. So the first
pass keeps the pixels, and each shard is written from those of all pieces.

A withheld label does not get here: the plan of a shard holds -1 in its place.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.beam.pieces import Piece
from pipeline.beam.receipts import Receipt, Receipts, receipt_of
from pipeline.errors import WorkerLost, writing_to
from pipeline.stages.preprocess.findings import kept_file, table_file
from pipeline.stages.preprocess.members import Members
from ssgan_tf import tfrecord
from ssgan_tf.framing import Framing
from ssgan_tf.whole_files import replacing

BLOCK_IMAGES = 512
BLOCK_BYTES = 64 << 20

PLANNED = np.dtype([("piece", "u2"), ("item", "u4"), ("label", "i4"), ("number", "u4"), ("digest", "u1", 16)])
"""A record in the plan of its shard: piece of the source and item in it, the stored label (-1: none), and
what makes up the key."""


def lay_plans(
    members: Members,
    order: Mapping[str, np.ndarray],
    shards: Sequence[Piece],
    pieces: Sequence[Piece],
    scratch: Path,
) -> dict[Piece, Receipt]:
    """Writes the plan of each shard to `scratch`; returns the receipt that writing it must give.

    Args:
        members: the images.
        order: the rows of each output split, in the order of their records.
        shards: of the output splits; a piece's range is one of record positions.
        pieces: of the source.
        scratch: a folder.
    """
    listed = sorted(pieces)
    starts = np.array([members.splits[piece.split].start + piece.start for piece in listed])
    expected = {}
    for shard in shards:
        rows = order[shard.split][shard.start : shard.stop]
        plan = np.zeros(len(rows), PLANNED)
        of = np.searchsorted(starts, rows, side="right") - 1
        plan["piece"], plan["item"] = of, rows - starts[of]
        plan["label"] = np.where(members.labelled[rows], members.labels[rows], -1)
        plan["number"], plan["digest"] = members.numbers(rows), members.digests[rows]
        np.save(_plan_file(scratch, shard), plan)
        expected[shard] = receipt_of(members.keys(rows))
    return expected


def _plan_file(scratch: Path, shard: Piece) -> Path:
    return scratch / f"plan-{shard.stem}.npy"


@dataclass(frozen=True)
class Gather:
    """Writes a shard; a piece's split is an output split here, and its range one of record positions.

    Attributes:
        scratch: folder with the plans and the kept pixels; takes what is said about the shard.
        output: folder of the shards.
        shape: (H, W, C) of the records.
        framing: how images of other sizes become records.
        pieces: of the source, sorted.
    """

    scratch: Path
    output: Path
    shape: tuple[int, int, int]
    framing: Framing
    pieces: tuple[Piece, ...]

    def __call__(self, shard: Piece) -> Receipt:
        """Writes one shard.

        Raises:
            DataError: the folder cannot be written to.
        """
        from ssgan_tf.records import shard_name, write_records

        name = shard_name(shard.split, shard.number, shard.of)
        histogram = np.zeros((self.shape[2], 256), np.int64)
        receipts = Receipts()
        with writing_to(self.output):
            # half a shard, of a worker that was killed, stays where it is removed
            about = write_records(self.scratch / name, self._noting(shard, histogram, receipts), shared=True)
            (self.scratch / name).replace(self.output / name)
        with replacing(_about_file(self.scratch, shard), durable=False, shared=True) as partial:
            partial.write_text(json.dumps({"shard": about, "histogram": histogram.tolist()}))
        return receipts.receipt()

    def _noting(self, shard: Piece, histogram: np.ndarray, receipts: Receipts) -> Iterator[bytes]:
        for record in self._records(shard, histogram):
            receipts.add(tfrecord.key_in(record))
            yield record

    def _records(self, shard: Piece, histogram: np.ndarray) -> Iterator[bytes]:
        from pipeline.images.decoding import encode, record_images
        from ssgan_tf.records import RecordForm

        form = RecordForm(*self.shape)
        plan = np.load(_plan_file(self.scratch, shard), allow_pickle=False)
        for rows, pixels in self._blocks(plan):
            shapes = {image.shape for image in pixels}
            if len(shapes) == 1:
                images = record_images(np.stack(pixels), self.shape, self.framing)
            else:
                framed = [record_images(image[None], self.shape, self.framing) for image in pixels]
                images = np.concatenate(framed)
            for channel, counts in enumerate(histogram):
                counts += np.bincount(images[..., channel].ravel(), minlength=256)
            digests = rows["digest"].tobytes().hex()
            numbers, labels = rows["number"].tolist(), rows["label"].tolist()
            for at, png in enumerate(encode(images)):
                digest = digests[32 * at : 32 * at + 32]
                key = f"{digest}.{numbers[at]}" if numbers[at] else digest
                yield form.serialise(png=png, label=labels[at], key=key)

    def _blocks(self, plan: np.ndarray) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Reads the pixels of the records in their order, some at a time."""
        pixels: list[np.ndarray] = []
        start = size = 0
        for image in self._kept(plan):
            pixels.append(image)
            size += image.nbytes
            if len(pixels) == BLOCK_IMAGES or size >= BLOCK_BYTES:
                yield plan[start : start + len(pixels)], pixels
                start, size, pixels = start + len(pixels), 0, []
        if pixels:
            yield plan[start:], pixels

    def _kept(self, plan: np.ndarray) -> Iterator[np.ndarray]:
        place = np.zeros(len(plan), [("offset", "i8"), ("shape", "i4", 3)])
        files: dict[int, int] = {}
        with contextlib.ExitStack() as stack:
            for number in np.unique(plan["piece"]).tolist():
                piece = self.pieces[number]
                mine = np.flatnonzero(plan["piece"] == number)
                table = np.load(table_file(self.scratch, piece), allow_pickle=False)[plan["item"][mine]]
                place["offset"][mine] = table["offset"]
                for side, name in enumerate(("kept_height", "kept_width", "kept_channels")):
                    place["shape"][mine, side] = table[name]
                files[number] = os.open(kept_file(self.scratch, piece), os.O_RDONLY)
                stack.callback(os.close, files[number])
            for start in range(0, len(plan), BLOCK_IMAGES):
                part = slice(start, start + BLOCK_IMAGES)
                for number, offset, (height, width, channels) in zip(
                    plan["piece"][part].tolist(),
                    place["offset"][part].tolist(),
                    place["shape"][part].tolist(),
                    strict=True,
                ):
                    bytes_ = os.pread(files[number], height * width * channels, offset)
                    yield np.frombuffer(bytes_, np.uint8).reshape(height, width, channels)


def _about_file(scratch: Path, shard: Piece) -> Path:
    return scratch / f"shard-{shard.stem}.json"


def collect_shards(
    shards: Sequence[Piece], scratch: Path, output: Path
) -> tuple[dict[str, list[dict[str, Any]]], np.ndarray]:
    """Returns what is known of the shards.

    Returns:
        What `write_records` says of each, by output split, in order; how often each value is in the training
        images, int [C, 256].

    Raises:
        WorkerLost: a shard in `output` has another size.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    histograms = []
    for shard in shards:
        known = json.loads(_about_file(scratch, shard).read_text())
        about = known["shard"]
        if (size := (output / about["name"]).stat().st_size) != about["bytes"]:
            raise WorkerLost(f"{about['name']} has {size} bytes, {about['bytes']} were written. Run again.")
        found.setdefault(shard.split, []).append(about)
        if shard.split == "train":
            histograms.append(np.array(known["histogram"], np.int64))
    return found, np.sum(histograms, axis=0)
