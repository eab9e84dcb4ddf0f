"""`npz:FILE`: arrays in NumPy's archive.

    x_train, y_train and, if there is a test split, x_test, y_test; or images, labels
    x_certify, y_certify, if there are images set aside for a promise
    images uint8 [N, H, W] or [N, H, W, C]; labels whole numbers [N], -1 for unlabelled
    class_names text [K], if the classes have names

Without a label array all images of that split are unlabelled.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from pipeline.errors import DataError, UsageError
from pipeline.remote.urls import url_of
from pipeline.sources.arrays import MAX_BYTES, Arrays, ArraySource, checked_arrays
from pipeline.sources.files import InputFile, digest_of_files
from ssgan_tf.declare import is_url


@dataclass(frozen=True)
class Npz(ArraySource):
    """The arrays of one file."""

    name: ClassVar[str] = "npz"
    file: InputFile
    names: tuple[str, ...] | None = None

    def load(self) -> dict[str, Arrays]:
        """Reads the images and labels of each split."""
        arrays = _read(self.file)
        place = repr(str(self.file.path))
        if "x_train" in arrays:
            wanted = {"train": ("x_train", "y_train")}
            for split in ("test", "certify"):
                if f"x_{split}" in arrays:
                    wanted[split] = (f"x_{split}", f"y_{split}")
        elif "images" in arrays:
            wanted = {"train": ("images", "labels")}
        else:
            raise DataError(
                f"{place} must hold x_train and y_train (and x_test, y_test), or images and labels; "
                f"it holds {', '.join(sorted(arrays)) or 'nothing'}."
            )
        return {
            split: checked_arrays(arrays[images], arrays.get(labels), place=f"{place}, array {images!r}")
            for split, (images, labels) in wanted.items()
        }

    def class_names(self) -> tuple[str, ...]:
        """The names in the file, else the class indices as text."""
        return self.names if self.names is not None else super().class_names()

    def digest(self) -> str:
        """Hex digest of the file's bytes."""
        return digest_of_files([self.file])


def _read(file: InputFile, only: str | None = None) -> Mapping[str, np.ndarray]:
    place = repr(str(file.path))
    try:
        with file.open() as raw:
            with zipfile.ZipFile(raw) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                    raise DataError(f"{place} unpacks to more than {MAX_BYTES >> 30} GiB.")
            raw.seek(0)
            # without pickle an archive can hold numbers and text, but no code
            with np.load(raw, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files if only in (None, name)}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{place} is no readable .npz file: {error}.") from None


def open_source(argument: str, *, data_dir: str | None = None, labels: str | None = None) -> Npz:
    """Opens the archive and checks its arrays.

    Raises:
        UsageError: no file was named.
        DataError: it is missing, damaged, or holds other arrays than these.
    """
    if not argument:
        raise UsageError("the data set 'npz' wants a file: npz:FILE.")
    file = InputFile.of(url_of(argument) if is_url(argument) else Path(argument).expanduser())
    source = Npz(file)
    largest = len(source.class_names()) - 1
    given = _read(file, only="class_names").get("class_names")
    if given is None:
        return source
    if given.ndim != 1 or given.dtype.kind != "U" or len(set(given.tolist())) != len(given):
        raise DataError(f"{str(file.path)!r}: class_names must be different texts in one dimension.")
    if largest >= len(given):
        raise DataError(f"{str(file.path)!r}: class_names has {len(given)} names; label {largest} has none.")
    return Npz(file, tuple(given.tolist()))
