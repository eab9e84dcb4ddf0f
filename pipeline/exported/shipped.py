"""What a shipped version says of itself beside the model: how it answered the images it was tested on.

The answers go with the version, so that a later model can be compared with it on the same images, which
neither was trained on, wherever the folder lies and whatever became of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import DataError
from pipeline.exported.layout import ANSWERS_FILE, find_versions, newest_version, read_class_names
from ssgan_tf.array_files import read_arrays


@dataclass(frozen=True)
class Shipped:
    """The answers of a version to images that it had not seen.

    Attributes:
        version: its number.
        class_names: its classes.
        digests: of the images' pixels, text [N].
        right: whether each was answered rightly, bool [N].
    """

    version: int
    class_names: tuple[str, ...]
    digests: np.ndarray
    right: np.ndarray


def write_answers(version: Path, digests: np.ndarray, right: np.ndarray) -> None:
    """Writes into a version how it answered the images that it was tested on."""
    with (version / ANSWERS_FILE).open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, digests=digests, right=right)


def newest_answers(folder: Path) -> Shipped | None:
    """Reads those of the newest version in a folder of versions; None where there is no version.

    Raises:
        DataError: the newest version has none, or they are damaged, or no version is whole.
    """
    version = newest_version(folder)
    if version is None and folder.is_dir() and (there := find_versions(folder)):
        raise DataError(f"{str(there[max(there)])!r} holds no SavedModel: it cannot be compared with.")
    if version is None:
        return None
    path = version / ANSWERS_FILE
    try:
        stored = read_arrays(path)
        digests, right = stored["digests"], stored["right"]
        if not (digests.ndim == 1 and digests.shape == right.shape and right.dtype == bool):
            raise ValueError("its parts do not belong together")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{str(version)!r} does not say how it answered its test images ({error}). `ganpipe export "
            "--push` writes that; a version that came there in another way cannot be compared with."
        ) from None
    return Shipped(int(version.name), read_class_names(version), digests, right)
