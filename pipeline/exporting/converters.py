"""Other formats than SavedModel, converted from its numeric signature and checked against it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UsageError


def check_converters(formats: Sequence[str]) -> None:
    """Checks that what the formats need is installed.

    Raises:
        UsageError: names the missing package and the extra that brings it.
    """
    if "onnx" in formats:
        missing = [name for name in ("tf2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError(f"format onnx needs {' and '.join(missing)}: pip install 'ganpipe[onnx]'.")


def convert(name: str, folder: Path, images: np.ndarray) -> dict[str, Any]:
    """Converts a classifier's SavedModel to "tflite" or "onnx", beside it in `assets.extra`."""
    raise NotImplementedError(name)
