"""A classifier as a LiteRT file: small, quick to start, from pixels to numbers."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.exported import layout
from ssgan_tf.framing import MODES, STRETCH, WHITE, Framing


class LiteModel:
    """Runs a converted classifier, with LiteRT's own package where it is installed, else TensorFlow's.

    Args:
        path: the .tflite file.
        threads: of one call.

    Raises:
        DataError: the file is missing or is no LiteRT model of a classifier.
    """

    def __init__(self, path: Path, threads: int = 2) -> None:
        if not path.is_file():
            raise DataError(
                f"there is no LiteRT model {str(path)!r}. "
                "Export one: ganpipe export --format savedmodel,tflite."
            )
        try:
            # from memory: the C++ that maps a file has no way to say why it could not
            interpreter = _interpreter_class()(model_content=path.read_bytes(), num_threads=threads)
            self._runner = interpreter.get_signature_runner(layout.DEFAULT)
            details = self._runner.get_input_details()["image"]
        except (ValueError, KeyError, RuntimeError) as error:
            raise DataError(f"{str(path)!r} is no LiteRT classifier: {error}.") from None
        self._interpreter = interpreter
        _, height, width, channels = map(int, details["shape"])
        self.image_shape = height, width, channels

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Answers record images uint8 or float32 0..255 [B, H, W, C].

        Returns:
            `probabilities` [B, K], `class_id`, `confidence`, `real_score` and `abstain`, each [B].
        """
        return self._runner(image=images.astype(np.float32))


def write_framing(folder: Path, framing: Framing) -> None:
    """Writes into a SavedModel's folder how files become the arrays that a converted model takes."""
    place = folder / layout.PIXELS_FILE
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(asdict(framing)) + "\n")


def read_framing(folder: Path) -> Framing:
    """Returns what `write_framing` wrote; exports that are older than a part of it stretched over white.

    Raises:
        DataError: the file is damaged.
    """
    place = folder / layout.PIXELS_FILE
    try:
        written = json.loads(place.read_text()) if place.exists() else {}
        framing = Framing(written.get("resize", STRETCH), int(written.get("background", WHITE)))
        if framing.resize not in MODES or not 0 <= framing.background <= WHITE:
            raise ValueError(f"{framing.resize!r} and {framing.background} are no way to make a record")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{str(place)!r} is damaged: {error}. Export again.") from None
    return framing


def _interpreter_class() -> Any:
    if importlib.util.find_spec("ai_edge_litert") is not None:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter
    import tensorflow as tf

    return tf.lite.Interpreter
