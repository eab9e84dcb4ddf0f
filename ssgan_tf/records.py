"""The TFRecord schema: one `tf.train.Example` an image, with the labelled mask.

    image/encoded      PNG bytes, already at the data set's size and channels
    image/format       b"png"
    image/height, image/width, image/channels
    image/class/label  int64, -1 where unlabelled: a withheld label is not in the file
    image/labeled      int64, 0 or 1, the mask
    image/key          digest of the decoded source image: no name, no place, no label

The records of a split lie in the order of a keyed hash of their pixels, so that neither key nor place of an
unlabelled record says anything of its label. Shards are named SPLIT-00000-of-00008.tfrecord;
`dataset.json` beside them describes them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ssgan_tf import tfrecord
from ssgan_tf.errors import DamagedData, DataError
from ssgan_tf.file_names import DATASET
from ssgan_tf.framing import Framing
from ssgan_tf.whole_files import replacing

SCHEMA_VERSION = 3
UNLABELLED = -1


class Split(NamedTuple):
    """One split in memory: `images` uint8 [N, H, W, C], `labels` int32 [N] (-1 unlabelled), `keys` [N]."""

    images: np.ndarray
    labels: np.ndarray
    keys: list[str]


class RecordForm:
    """Serialises records of one shape.

    One message is filled again and again: to build it anew takes ten times as long as the rest.

    Args:
        height, width, channels: of the record images.
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        self._example = tf.train.Example()
        feature = self._example.features.feature
        feature[tfrecord.FORMAT].bytes_list.value.append(b"png")
        sizes = ((tfrecord.HEIGHT, height), (tfrecord.WIDTH, width), (tfrecord.CHANNELS, channels))
        for name, value in sizes:
            feature[name].int64_list.value.append(value)
        self._png = feature[tfrecord.ENCODED].bytes_list.value
        self._key = feature[tfrecord.KEY].bytes_list.value
        self._label = feature[tfrecord.LABEL].int64_list.value
        self._labeled = feature[tfrecord.LABELED].int64_list.value

    def serialise(self, *, png: bytes, label: int, key: str) -> bytes:
        """Returns one record; `label` -1 means unlabelled and sets the mask to 0."""
        self._png[:] = [png]
        self._key[:] = [key.encode()]
        self._label[:] = [label]
        self._labeled[:] = [int(label != UNLABELLED)]
        return self._example.SerializeToString(deterministic=True)


def example_bytes(*, png: bytes, height: int, width: int, channels: int, label: int, key: str) -> bytes:
    """Serialises one record, as `RecordForm` does."""
    return RecordForm(height, width, channels).serialise(png=png, label=label, key=key)


def shard_name(split: str, index: int, count: int) -> str:
    """Returns the file name of shard `index` of `count`, for example train-00000-of-00008.tfrecord."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def write_records(path: Path, records: Iterable[bytes], *, shared: bool = False) -> dict[str, Any]:
    """Writes a TFRecord file beside its place and renames it, so that it is whole or absent.

    Args:
        path: the file.
        records: serialised.
        shared: other processes may write the same file at the same time.

    Returns:
        `{"name", "records", "bytes", "sha256"}` of the file.
    """
    digest, count, size = hashlib.sha256(), 0, 0
    with replacing(path, durable=False, shared=shared) as partial, partial.open("wb") as file:
        for record in records:
            frame = tfrecord.framed(record)
            file.write(frame)
            digest.update(frame)
            count += 1
            size += len(frame)
    return {"name": path.name, "records": count, "bytes": size, "sha256": digest.hexdigest()}


def iterate_records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields (offset of the payload, payload) for each record, checking both checksums.

    Raises:
        DamagedData: the file is truncated or a checksum does not fit; names the file and the record.
    """
    with path.open("rb") as file:
        count = 0
        while head := file.read(tfrecord.HEAD):
            bad = f"damaged TFRecord file {str(path)!r}: record {count}"
            if len(head) < tfrecord.HEAD:
                raise DamagedData(f"{bad} is cut off.")
            length = tfrecord.length_in(head)
            if length is None:
                raise DamagedData(f"{bad} has a wrong checksum.")
            offset = file.tell()
            body = file.read(length + tfrecord.TAIL)
            if len(body) < length + tfrecord.TAIL:
                raise DamagedData(f"{bad} is cut off.")
            payload = tfrecord.payload_of(body)
            if payload is None:
                raise DamagedData(f"{bad} has a wrong checksum.")
            yield offset, payload
            count += 1


_FEATURES = {
    tfrecord.ENCODED: tf.io.FixedLenFeature([], tf.string),
    tfrecord.LABEL: tf.io.FixedLenFeature([], tf.int64),
    tfrecord.LABELED: tf.io.FixedLenFeature([], tf.int64),
    tfrecord.KEY: tf.io.FixedLenFeature([], tf.string),
}


def parse(serialized: tf.Tensor, shape: tuple[int, int, int]) -> dict[str, tf.Tensor]:
    """Parses a batch of serialised records, in the graph.

    Args:
        serialized: string [B].
        shape: (H, W, C) of the data set; a record of another shape is an InvalidArgumentError.

    Returns:
        `image` uint8 [B, H, W, C], `label` int32 [B] (-1 unlabelled), `key` string [B].
    """
    parsed = tf.io.parse_example(serialized, _FEATURES)

    def decode(png: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.io.decode_png(png, channels=shape[2]), shape)

    images = tf.map_fn(decode, parsed[tfrecord.ENCODED], fn_output_signature=tf.TensorSpec(shape, tf.uint8))
    return {
        "image": images,
        "label": tf.cast(parsed[tfrecord.LABEL], tf.int32),
        "key": parsed[tfrecord.KEY],
    }


@dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says, for readers: shape, classes and the files of each split."""

    folder: Path
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    splits: dict[str, dict[str, Any]]
    document: dict[str, Any]

    @property
    def num_classes(self) -> int:
        """Number of classes K (0 for a data set without any label)."""
        return len(self.class_names)

    @property
    def framing(self) -> Framing:
        """How the source's images became record images."""
        default = Framing()
        return Framing(
            self.document.get("resize", default.resize),
            int(self.document.get("background", default.background)),
        )

    @classmethod
    def load(cls, folder: Path) -> DatasetInfo:
        """Reads `folder/dataset.json`.

        Raises:
            DataError: it is missing.
            DamagedData: it is not JSON, or of another schema version.
        """
        path = Path(folder) / DATASET
        try:
            document = json.loads(path.read_text())
        except FileNotFoundError:
            raise DataError(f"{str(folder)!r} holds no dataset.json: it is not prepared data.") from None
        except ValueError as error:
            raise DamagedData(f"{str(path)!r} is not valid JSON: {error}.") from None
        if document.get("schema_version") != SCHEMA_VERSION:
            raise DamagedData(
                f"{str(path)!r} has schema version {document.get('schema_version')!r}; "
                f"this version reads {SCHEMA_VERSION}. Prepare the data again."
            )
        return cls(
            folder=Path(folder),
            image_shape=tuple(document["image_shape"]),
            class_names=tuple(document["class_names"]),
            splits=document["splits"],
            document=document,
        )

    def shards(self, split: str) -> list[Path]:
        """Returns the shard files of a split, in order, after checking that each has its size.

        Raises:
            DataError: no such split.
            DamagedData: a shard is missing or has another size than recorded.
        """
        if split not in self.splits:
            raise DataError(
                f"{str(self.folder)!r} has no split {split!r}; it has {', '.join(sorted(self.splits))}."
            )
        paths = []
        for shard in self.splits[split]["shards"]:
            path = self.folder / shard["name"]
            if not path.is_file():
                raise DamagedData(f"shard {str(path)!r} is missing.")
            if path.stat().st_size != shard["bytes"]:
                raise DamagedData(
                    f"damaged TFRecord file {str(path)!r}: it has {path.stat().st_size} bytes, "
                    f"{shard['bytes']} were written."
                )
            paths.append(path)
        return paths


def iterate_split(info: DatasetInfo, split: str, block: int = 1024) -> Iterator[Split]:
    """Yields a split in blocks, in order, checking every record's checksum.

    Raises:
        DataError: a shard is missing, truncated or corrupt.
    """
    decode = tf.function(
        lambda serialized: parse(serialized, info.image_shape),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    payloads = (payload for path in info.shards(split) for _, payload in iterate_records(path))
    while pending := list(itertools.islice(payloads, block)):
        try:
            batch = decode(tf.constant(pending))
        except tf.errors.InvalidArgumentError as error:
            raise DamagedData(f"a record of split {split!r} cannot be decoded: {error.message}") from None
        keys = [key.decode() for key in batch["key"].numpy()]
        yield Split(batch["image"].numpy(), batch["label"].numpy(), keys)


def iterate_labels(info: DatasetInfo, split: str, block: int = 1024) -> Iterator[tuple[str, int, int]]:
    """Yields key, label and mask of every record of a split, without decoding its image.

    Raises:
        DataError: a shard is missing, truncated or corrupt.
    """
    features = {name: spec for name, spec in _FEATURES.items() if name != tfrecord.ENCODED}
    payloads = (payload for path in info.shards(split) for _, payload in iterate_records(path))
    while pending := list(itertools.islice(payloads, block)):
        parsed = tf.io.parse_example(pending, features)
        columns = (parsed[name].numpy() for name in (tfrecord.KEY, tfrecord.LABEL, tfrecord.LABELED))
        for key, label, mask in zip(*columns, strict=True):
            yield key.decode(), int(label), int(mask)


def read_split(info: DatasetInfo, split: str, block: int = 1024) -> Split:
    """Reads a whole split into memory, checking every record's checksum.

    Raises:
        DamagedData: a shard is missing, truncated or corrupt.
    """
    keys: list[str] = []
    images, labels = read_images(info, split, block, keys)
    return Split(images, labels, keys)


def read_images(
    info: DatasetInfo, split: str, block: int = 1024, keys: list[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the images uint8 [N, H, W, C] and labels int32 [N] of a split, without its keys.

    Args:
        info: the data set.
        split: of it.
        block: records that are decoded together.
        keys: takes the keys, where they are wanted.

    Raises:
        DamagedData: a shard is missing, truncated or corrupt.
    """
    images = np.empty((info.splits[split]["count"], *info.image_shape), np.uint8)
    labels = np.empty(len(images), np.int32)
    start = 0
    for part in iterate_split(info, split, block):
        stop = start + len(part.keys)
        if stop <= len(images):
            images[start:stop] = part.images
            labels[start:stop] = part.labels
        if keys is not None:
            keys += part.keys
        start = stop
    if start != len(images):
        raise DamagedData(
            f"split {split!r} of {str(info.folder)!r} holds {start} records; dataset.json says {len(images)}."
        )
    return images, labels
