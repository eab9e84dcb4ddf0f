"""A `:predict` body as named arrays: rows (`instances`) and columns (`inputs`).

The forms are TensorFlow Serving's (`util/json_tensor.cc`, FillPredictRequestFromJson).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.serving.json_forms.document import shown
from pipeline.serving.json_forms.tensor import dense, is_base64
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import invalid

ROW, COLUMN = "row", "column"


def signature_name(document: dict[str, Any]) -> str:
    """Returns the request's `signature_name`, "" where it has none.

    Raises:
        ServingError: it is not text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("JSON Value: ", shown(name), ": 'signature_name' key must be a string value.")
    return name


def predict_inputs(document: dict[str, Any], signature: Signature) -> tuple[dict[str, np.ndarray], str]:
    """Reads the inputs of a predict request.

    Returns:
        Arrays by input name, and ROW or COLUMN: the format that the answer must have too.

    Raises:
        ServingError: INVALID_ARGUMENT, naming the key, input or value that is wrong.
    """
    if not signature.inputs:
        raise invalid("Failed to get input map for signature: ", signature.name)
    if "instances" in document and "inputs" in document:
        raise invalid("expecting only one of 'inputs' or 'instances' keys to exist")
    if "instances" in document:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise invalid("Expecting 'instances' to be an list/array, got ", shown(rows))
        if not rows:
            raise invalid("No values in 'instances' array")
        return _columns(_turned(rows, signature), signature, "'instances' list"), ROW
    if "inputs" in document:
        return _columns(document["inputs"], signature, "'inputs' object"), COLUMN
    raise invalid("Missing 'inputs' or 'instances' key")


def _named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _turned(rows: list[Any], signature: Signature) -> Any:
    """Returns rows of named values as columns; plain rows are a column already."""
    objects = _named(rows[0])
    for index, row in enumerate(rows):
        if _named(row) != objects:
            wanted, got = ("object", "list") if objects else ("value/list", "object")
            raise invalid(f"Expecting {wanted} but got {got} at item {index} of input list")
        if objects and row.keys() != signature.inputs.keys():
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: {shown(row)} "
                f"keys must be equal to: {','.join(signature.inputs)}"
            )
    return {name: [row[name] for row in rows] for name in signature.inputs} if objects else rows


def _columns(value: Any, signature: Signature, where: str) -> dict[str, np.ndarray]:
    specs = signature.inputs
    if not _named(value):
        if len(specs) > 1:
            raise invalid(
                f"{where} is a plain value/list, but expecting an object, "
                f"as the signature has several inputs: {','.join(specs)}"
            )
        value = dict.fromkeys(specs, value)
    for name in specs:
        if name not in value:
            raise invalid(f"Missing named input: {name} in {where}.")
    return {name: dense(value[name], spec) for name, spec in specs.items()}
