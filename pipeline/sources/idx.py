"""`idx:FOLDER`: MNIST's files (also Fashion-MNIST, KMNIST, EMNIST), packed with gzip or not.

The format: two zero bytes, a type (8: uint8), the number of dimensions, each size as a big-endian
32-bit number, then the values. Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database, 1998.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, cast

import numpy as np

from pipeline.errors import DataError, UsageError
from pipeline.remote.store import list_files
from pipeline.remote.urls import Url, url_of
from pipeline.sources.arrays import MAX_BYTES, MAX_SIDE, Arrays, ArraySource, FileImages, checked_arrays
from pipeline.sources.files import InputFile, digest_of_files
from ssgan_tf.declare import is_url

_HEAD = 16
_PREFIX = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class Idx(ArraySource):
    """The files of a folder.

    Attributes:
        files: image file, then label file, of the training and then (if there) of the test split.
    """

    name: ClassVar[str] = "idx"
    files: tuple[InputFile, ...]

    def load(self) -> dict[str, Arrays]:
        """Reads both files of each split."""
        loaded = {}
        for split, images, labels in zip(("train", "test"), self.files[::2], self.files[1::2], strict=False):
            loaded[split] = checked_arrays(
                _images_in(images),
                read_idx(labels, dimensions=1),
                place=f"{str(images.path)!r} and {labels.path.name!r}",
            )
        return loaded

    def digest(self) -> str:
        """Hex digest of the files' bytes."""
        return digest_of_files(self.files)


def read_idx(file: InputFile, *, dimensions: int) -> np.ndarray:
    """Reads one file of uint8 values.

    Returns:
        uint8 of as many dimensions as asked for.

    Raises:
        DataError: the header is not that of such a file, or the values are fewer or more than it says.
    """
    bad = f"damaged file {str(file.path)!r}:"
    with file.open() as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
        try:
            head = stream.read(4 + 4 * dimensions)
            if len(head) < 4 + 4 * dimensions or head[:4] != bytes((0, 0, 8, dimensions)):
                raise DataError(
                    f"{bad} it does not begin like an idx file of uint8 in {dimensions} dimension(s)."
                )
            sizes = struct.unpack(f">{dimensions}I", head[4:])
            count = math.prod(sizes)
            if count > MAX_BYTES or max(sizes[1:], default=0) > MAX_SIDE:
                raise DataError(f"{bad} its header claims the sizes {list(sizes)}, more than can be read.")
            # a file that is not packed shows at once whether it can hold what its header claims
            values = stream.read(count + 1) if packed or file.size >= len(head) + count else b""
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{bad} {error}.") from None
    if len(values) != count:
        relation = "more" if len(values) > count else "fewer"
        raise DataError(f"{bad} it holds {relation} values than the {count} that its header claims.")
    return np.frombuffer(values, np.uint8).reshape(sizes)


def _images_in(file: InputFile) -> np.ndarray | FileImages:
    """The images of a file; on a disk, one that is not packed is left where it is."""
    if file.remote is not None:
        return read_idx(file, dimensions=3)
    with file.open() as raw:
        head = raw.read(_HEAD)
    if not head.startswith(bytes((0, 0, 8, 3))) or len(head) < _HEAD:
        return read_idx(file, dimensions=3)
    count, height, width = struct.unpack(">3I", head[4:])
    if _HEAD + count * height * width != file.size or max(height, width) > MAX_SIDE:
        # says what is wrong
        return read_idx(file, dimensions=3)
    return FileImages(file, _HEAD, (count, height, width, 1))


def open_source(argument: str, *, data_dir: str | None = None, labels: str | None = None) -> Idx:
    """Finds the files in a folder; the test files may be absent, both of them.

    Raises:
        UsageError: no folder was named.
        DataError: the folder or a file is missing.
    """
    if not argument:
        raise UsageError("the data set 'idx' wants a folder: idx:FOLDER.")
    folder: Path | Url = url_of(argument) if is_url(argument) else Path(argument).expanduser()
    if isinstance(folder, Path) and not folder.is_dir():
        raise DataError(f"no such folder: {str(folder)!r}.")
    there = _names_in(folder)
    files: list[InputFile] = []
    for split, prefix in _PREFIX.items():
        names = [f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"]
        found = [_find(there, name) for name in names]
        if split == "test" and found == [None, None]:
            break
        for name, path in zip(names, found, strict=True):
            if path is None:
                raise DataError(f"{str(folder)!r} holds no file {name!r} (nor {name + '.gz'!r}).")
            files.append(InputFile.of(path))
    return Idx(tuple(files))


def _names_in(folder: Path | Url) -> dict[str, Path | Url]:
    if isinstance(folder, Path):
        try:
            return {path.name: path for path in folder.iterdir()}
        except OSError as error:
            raise DataError(f"cannot read the folder {str(folder)!r}: {error.strerror}.") from None
    try:
        return {file.path: file.url for file in list_files(folder)}
    except FileNotFoundError:
        raise DataError(f"no such folder: '{folder}'.") from None


def _find(there: Mapping[str, Path | Url], name: str) -> Path | Url | None:
    # some distributions write a dot where others write a dash
    stems = (name, name.replace("-idx", ".idx"))
    return next((there[one] for stem in stems for one in (stem, f"{stem}.gz") if one in there), None)
