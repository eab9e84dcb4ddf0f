"""Other formats than SavedModel, converted from its numeric signature and checked against it.

    convert("tflite", folder, images)     assets.extra/classifier.tflite and classifier_int8.tflite
    convert("onnx", folder, images)       assets.extra/classifier.onnx

They take `image` float32 [B, H, W, C] in 0..255 and give the SavedModel's outputs but `label`: decoding
images and making texts stays with the caller.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import GateRefused, UsageError
from pipeline.exported import layout
from pipeline.exported.lite_model import LiteModel

NUMERIC_OUTPUTS = ("probabilities", "class_id", "confidence", "real_score", "abstain")
TOLERANCE = 1e-4
# int8 weights move single images near a border between classes; the whole must stay
INT8_MEAN_TOLERANCE = 0.02
_OPSET = 17


def check_converters(formats: Sequence[str]) -> None:
    """Checks that what the formats need is installed.

    Raises:
        UsageError: names the missing packages and the extra that brings them.
    """
    needed = ("tf2onnx", "onnxruntime") if "onnx" in formats else ()
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise UsageError(f"format onnx needs {' and '.join(missing)}: pip install 'ganpipe[onnx]'.")


def convert(name: str, folder: Path, images: np.ndarray) -> dict[str, Any]:
    """Converts a classifier's SavedModel and compares the answers.

    Args:
        name: "tflite" or "onnx".
        folder: the SavedModel; the files go into its `assets.extra`.
        images: record images uint8 [B, H, W, C] to compare the answers on.

    Returns:
        Per file `{"bytes", "max_difference"}`.

    Raises:
        GateRefused: a converted model answers differently.
    """
    return {"tflite": export_tflite, "onnx": export_onnx}[name](folder, images)


def export_tflite(folder: Path, images: np.ndarray) -> dict[str, Any]:
    """Writes the float and the int8-weight LiteRT model; see `convert`."""
    import tensorflow as tf

    numeric, keep = _numeric_signature(folder)
    expected = _answers(numeric, images)
    found = {}
    for file, quantised in ((layout.LITE_FILE, False), (layout.LITE_INT8_FILE, True)):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([numeric.get_concrete_function()], keep)
        if quantised:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        (folder / file).write_bytes(converter.convert())
        answers = LiteModel(folder / file)(images)
        found[file.name] = _checked(folder / file, answers, expected, quantised)
    return found


def export_onnx(folder: Path, images: np.ndarray) -> dict[str, Any]:
    """Writes the ONNX model; see `convert`."""
    import onnxruntime
    import tf2onnx

    numeric, _ = _numeric_signature(folder)
    expected = _answers(numeric, images)
    model, _ = tf2onnx.convert.from_function(
        numeric, input_signature=list(numeric.input_signature), opset=_OPSET
    )
    path = folder / layout.ONNX_FILE
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(None, {"image": images.astype(np.float32)}), strict=True))
    return {path.name: _checked(path, answers, expected, quantised=False)}


def _numeric_signature(folder: Path) -> tuple[Any, Any]:
    """The float signature without its texts, as a tf.function, and what keeps its variables alive."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures[layout.DEFAULT]
    shape = signature.structured_input_signature[1]["image"].shape

    def numeric(image: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = signature(image=image)
        return {name: outputs[name] for name in NUMERIC_OUTPUTS}

    specs = [tf.TensorSpec(shape, tf.float32, "image")]
    return tf.function(numeric, input_signature=specs, autograph=False), loaded


def _answers(numeric: Any, images: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    with tf.device("/CPU:0"):
        outputs = numeric(tf.constant(images, tf.float32))
    return {name: value.numpy() for name, value in outputs.items()}


def _checked(
    path: Path, answers: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], quantised: bool
) -> dict[str, Any]:
    differences = {
        name: np.abs(answers[name].astype(np.float64) - expected[name].astype(np.float64))
        for name in ("probabilities", "real_score")
    }
    largest = max(float(np.max(difference)) for difference in differences.values())
    measure = float(np.mean(differences["probabilities"])) if quantised else largest
    allowed = INT8_MEAN_TOLERANCE if quantised else TOLERANCE
    # a NaN must not pass
    if not measure <= allowed:
        raise GateRefused(
            f"{path.name} does not answer as the SavedModel: it differs by {measure:.3g}"
            f"{' on average' if quantised else ''}, allowed is {allowed:g}. Nothing was published."
        )
    return {"bytes": path.stat().st_size, "max_difference": largest}
