"""Arrays in a file of NumPy's, read back: whole, or with one error that says what is wrong.

stored = read_arrays(path)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads every array of an npz file.

    Raises:
        OSError: it is missing or may not be read.
        ValueError: it is damaged, or no such file. A flipped bit meets NumPy, its parser of headers, zipfile
            or zlib, and each has errors of its own.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: np.asarray(stored[name]) for name in stored.files}
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(f"it is damaged ({error})") from error
