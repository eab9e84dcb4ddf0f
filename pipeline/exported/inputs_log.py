"""The file in which a server keeps what its model sees in the images that it is asked about.

It holds features, confidences and classes of the last images, no pixels, and which model saw them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from pipeline.errors import DataError
from pipeline.exported.layout import REFERENCE_FILE
from ssgan_tf.array_files import read_arrays
from ssgan_tf.whole_files import replacing

MOST = 2000
MOST_CLASSES = 2**20
SEEN = ("features", "confidence", "class_id")
FAMILIAR = "looks_familiar"
_MODEL = "model"


def model_digest(version: Path) -> str:
    """Tells a version from others, by the reference that it was exported with; "" where it has none."""
    try:
        return hashlib.sha256((version / REFERENCE_FILE).read_bytes()).hexdigest()
    except OSError:
        return ""


def write_log(path: Path, digest: str, columns: dict[str, np.ndarray]) -> None:
    """Writes the file, whole or not at all.

    Args:
        path: the file.
        digest: of the model.
        columns: by the names above, a row an image.
    """
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_MODEL: np.array(digest)}, **columns)


def read_columns(path: Path, version: Path) -> dict[str, np.ndarray]:
    """Reads what `write_log` wrote for this version.

    Raises:
        DataError: it is missing, damaged, holds nothing yet, or is of another model.
    """
    try:
        stored = read_arrays(path)
        digest = str(stored[_MODEL])
        columns = {name: stored[name][:MOST] for name in (*SEEN, FAMILIAR) if name in stored}
        if columns:
            _check(columns)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"the log of inputs {str(path)!r} cannot be read: {error}.") from None
    if not columns:
        raise DataError(f"the log of inputs {str(path)!r} holds no image yet.")
    if digest != model_digest(version):
        raise DataError(
            f"the log of inputs {str(path)!r} is of another model than {str(version)!r}: give the version "
            "that the server had loaded when it wrote it (--model FOLDER/VERSION)."
        )
    return columns


def _check(columns: dict[str, np.ndarray]) -> None:
    """Raises ValueError where columns are not those of a log."""
    rows = {len(column) for column in columns.values()}
    shapes = {name: column.ndim for name, column in columns.items()}
    if len(rows) != 1 or set(SEEN) - set(columns) or shapes != {**dict.fromkeys(columns, 1), "features": 2}:
        raise ValueError("its parts do not belong together")
    if any(column.dtype.kind != "f" for name, column in columns.items() if name != "class_id"):
        raise ValueError("some of it is no numbers")
    classes = columns["class_id"]
    if classes.dtype.kind not in "iu" or not 0 <= classes.min() <= classes.max() < MOST_CLASSES:
        raise ValueError("its classes are no numbers from 0")
