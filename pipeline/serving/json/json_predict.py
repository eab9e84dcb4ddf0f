"""A `:predict` body as named arrays: rows (`instances`) and columns (`inputs`).

Follows `util/json_tensor.cc` (FillPredictRequestFromJson) in order and texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.serving.json.json_document import debug_text, format_error
from pipeline.serving.json.json_tensor import dense, is_base64
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import ServingError, invalid

ROW, COLUMN = "row", "column"


def signature_name(document: dict[str, Any]) -> str:
    """Returns the request's `signature_name`, "" where it has none.

    Raises:
        ServingError: it is not text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            "JSON Value: ",
            debug_text(document),
            " not formatted correctly. 'signature_name' key must be a string value.",
        )
    return name


def predict_inputs(document: dict[str, Any], signature: Signature) -> tuple[dict[str, np.ndarray], str]:
    """Reads the inputs of a predict request.

    Returns:
        Arrays by input name, and ROW or COLUMN: the format that the answer must have too.

    Raises:
        ServingError: INVALID_ARGUMENT with TensorFlow Serving's text.
    """
    if not signature.inputs:
        raise invalid("Failed to get input map for signature: ", signature.name)
    if "instances" in document:
        if "inputs" in document:
            raise format_error(
                document,
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
            )
        rows = document["instances"]
        if not isinstance(rows, list):
            raise format_error(document, "Expecting 'instances' to be an list/array")
        if not rows:
            raise format_error(document, "No values in 'instances' array")
        return _rows(rows, signature), ROW
    if "inputs" in document:
        return _columns(document["inputs"], signature), COLUMN
    raise invalid("Missing 'inputs' or 'instances' key")


def _is_plain_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _rows(rows: list[Any], signature: Signature) -> dict[str, np.ndarray]:
    specs = signature.inputs
    if not isinstance(rows[0], dict) and len(specs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    try:
        if _is_plain_object(rows[0]):
            if all(_is_plain_object(row) and row.keys() == specs.keys() for row in rows):
                return {
                    name: _stacked([row[name] for row in rows], spec.dtype) for name, spec in specs.items()
                }
        elif not any(map(_is_plain_object, rows)):
            name, spec = next(iter(specs.items()))
            return {name: _stacked(rows, spec.dtype)}
    except ServingError:
        pass
    return _rows_exactly(rows, signature)


def _stacked(values: list[Any], dtype: int) -> np.ndarray:
    return dense(values, dtype)


def _rows_exactly(rows: list[Any], signature: Signature) -> dict[str, np.ndarray]:
    """Reads row by row, as TensorFlow Serving does, so that a refusal names the row."""
    specs = signature.inputs
    parts: dict[str, list[np.ndarray]] = {}
    objects = _is_plain_object(rows[0])

    def add(name: str, value: Any) -> None:
        if name not in specs:
            raise invalid("JSON object: does not have named input: ", name)
        part = dense(value, specs[name].dtype)
        first = parts.setdefault(name, [part])[0]
        if part is first:
            return
        if part.size != first.size:
            raise invalid("Expecting tensor size: ", first.size, " but got: ", part.size)
        if part.shape != first.shape:
            raise invalid("Expecting shape ", _shape(first), " but got: ", _shape(part))
        parts[name].append(part)

    for index, row in enumerate(rows):
        if objects:
            if not _is_plain_object(row):
                raise invalid("Expecting object but got list at item ", index, " of input list")
            for name, value in row.items():
                try:
                    add(name, value)
                except ServingError as error:
                    raise invalid(
                        f"Failed to process element: {index} key: {name} of 'instances' list. "
                        f"Error: {error.code}: {error.message}"
                    ) from None
            if row.keys() != specs.keys():
                raise invalid(
                    f"Failed to process element: {index} of 'instances' list. JSON object: "
                    f"{debug_text(row)} keys must be equal to: {','.join(sorted(specs))}"
                )
        else:
            if _is_plain_object(row):
                raise invalid("Expecting value/list but got object at item ", index, " of input list")
            try:
                add(next(iter(specs)), row)
            except ServingError as error:
                raise invalid(
                    f"Failed to process element: {index} of 'instances' list. "
                    f"Error: {error.code}: {error.message}"
                ) from None
    return {name: np.stack(arrays) for name, arrays in parts.items()}


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"


def _columns(value: Any, signature: Signature) -> dict[str, np.ndarray]:
    specs = signature.inputs
    if not _is_plain_object(value):
        if len(specs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        name, spec = next(iter(specs.items()))
        return {name: dense(value, spec.dtype)}
    arrays = {}
    for name, spec in specs.items():
        if name not in value:
            raise invalid("Missing named input: ", name, " in 'inputs' object.")
        arrays[name] = dense(value[name], spec.dtype)
    return arrays
