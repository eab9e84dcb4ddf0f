"""Arrays as the JSON of an answer, and errors as TensorFlow Serving's error object.

Follows `util/json_tensor.cc` (MakeJsonFromTensors and its neighbours): one output goes without its
name, outputs called `..._bytes` go as base64, NaN and Infinity as such.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from pipeline.serving.json_forms.predict import ROW
from pipeline.serving.status import invalid


def error_json(message: str) -> bytes:
    """Returns `{"error": MESSAGE}`."""
    # a message can quote a client's broken text
    return orjson.dumps({"error": message.encode("utf-8", "replace").decode()})


def predict_json(outputs: Mapping[str, np.ndarray], form: str) -> bytes:
    """Writes the answer of `:predict`.

    Args:
        outputs: arrays by output name; strings as bytes in object arrays.
        form: ROW gives `{"predictions": [...]}`, COLUMN `{"outputs": ...}`.

    Raises:
        ServingError: INVALID_ARGUMENT, an output that JSON cannot carry, or in rows an output without
            a batch dimension or of another batch size.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    names = sorted(outputs)
    if form == ROW:
        count = next((len(array) for array in outputs.values() if array.ndim), 0)
        for name in names:
            if not outputs[name].ndim:
                raise invalid("Tensor name: ", name, " has no shape information ")
            if len(outputs[name]) != count:
                raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(outputs[name])}")
    columns = {name: _plain(name, outputs[name]) for name in names}
    whole: Any = columns if len(names) > 1 else columns[names[0]]
    if form != ROW:
        return _dump({"outputs": whole})
    if len(names) > 1:
        whole = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return _dump({"predictions": whole})


def classify_json(labels: np.ndarray | None, scores: np.ndarray | None) -> bytes:
    """Writes the answer of `:classify`: for each example a list of [label, score].

    Args:
        labels: bytes [B, K], or None: every label is "".
        scores: float32 [B, K], or None: every score is 0.
    """
    given = labels if labels is not None else scores
    if given is None or not len(given):
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    texts = _plain("", labels) if labels is not None else [[""] * given.shape[1]] * len(given)
    values = scores if scores is not None else np.zeros(given.shape, np.float32)
    results = [
        [[text, score] for text, score in zip(row, numbers, strict=True)]
        for row, numbers in zip(texts, values, strict=True)
    ]
    return _dump({"results": results})


def regress_json(values: np.ndarray) -> bytes:
    """Writes the answer of `:regress`: one number an example. `values` is float32 [B]."""
    if not len(values):
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return _dump({"results": np.ascontiguousarray(values)})


def _plain(name: str, array: np.ndarray) -> Any:
    """Returns what orjson can write: numeric arrays as they are, strings as lists of text or base64."""
    if array.dtype.kind in "fiub" and array.dtype != np.float16:
        # a 0-dimensional array is a scalar, which orjson knows as such
        return np.ascontiguousarray(array) if array.ndim else array[()]
    if array.dtype.kind not in "OSU":
        raise invalid("Failed to write JSON value for tensor type: ", array.dtype.name)
    as_bytes = name.endswith("_bytes")

    def text(value: Any) -> Any:
        if isinstance(value, list):
            return [text(item) for item in value]
        if as_bytes:
            return {"b64": base64.b64encode(value).decode()}
        return value.decode("utf-8", "replace")

    return text(array.tolist())


def _dump(answer: Any) -> bytes:
    written = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" not in written:
        return written
    # orjson writes null for NaN and Infinity; Python's writer has the names that the API wants
    return json.dumps(answer, default=_python_numbers).encode()


def _python_numbers(value: Any) -> Any:
    """Returns NumPy values as Python's; float32 by its shortest text, not with the digits of a double."""
    if isinstance(value, np.ndarray):
        return [_python_numbers(item) for item in value]
    if isinstance(value, np.float32):
        return float(str(value))
    return value.item()
