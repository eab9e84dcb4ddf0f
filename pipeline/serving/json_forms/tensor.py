"""One nested JSON value as a dense array: the forms that TensorFlow Serving takes (`util/json_tensor.cc`)."""

from __future__ import annotations

import base64
import binascii
import contextlib
from itertools import chain
from typing import Any

import numpy as np

from pipeline.serving.json_forms.document import kind, shown
from pipeline.serving.models.signature import TensorSpec
from pipeline.serving.status import ServingError, invalid

MAX_RANK = 32
_TAKEN: dict[str, set[type]] = {"f": {int, float}, "i": {int}, "u": {int}, "O": {str, dict}, "b": {bool}}
"""Kind of NumPy type to the Python types that may become one; text may come as `{"b64": "..."}`."""


def dense(value: Any, spec: TensorSpec) -> np.ndarray:
    """Turns a scalar or nested list into an array of an input's type.

    Returns:
        An array of any rank up to 32; strings as bytes in an object array.

    Raises:
        ServingError: INVALID_ARGUMENT for ragged lists, values of another type or range;
            UNIMPLEMENTED for types that JSON cannot carry.
    """
    if spec.numpy is None:
        raise ServingError("UNIMPLEMENTED", f"Conversion of JSON Value: {shown(value)} to type: {spec.type}")
    shape: list[int] = []
    level = [value]
    while any(isinstance(item, list) for item in level):
        for item in level:
            if _length(item) != _length(level[0]):
                raise invalid(
                    f"JSON Value: {shown(item)} does not have the shape of its neighbour {shown(level[0])} "
                    f"at level: {len(shape)}"
                )
        shape.append(len(level[0]))
        if len(shape) > MAX_RANK:
            raise invalid("Encountered list at unexpected level: ", MAX_RANK, " expected < ", MAX_RANK)
        level = list(chain.from_iterable(level))
    return _flat(level, spec).reshape(shape)


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _flat(values: list[Any], spec: TensorSpec) -> np.ndarray:
    assert spec.numpy is not None
    taken = _TAKEN[spec.numpy.kind]
    for item in values:
        # True is an int to Python, and none to JSON
        if type(item) not in taken:
            raise _wrong(item, spec)
    if spec.numpy.kind == "O":
        array = np.empty(len(values), object)
        array[:] = [item.encode() if isinstance(item, str) else decode_base64(item) for item in values]
        return array
    if spec.numpy.kind == "f":
        # a double beyond float's range becomes infinite, as it does there
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype(spec.numpy)
    if spec.numpy.kind in "iu":
        limits = np.iinfo(spec.numpy)
        for item in values:
            if not limits.min <= item <= limits.max:
                raise _wrong(item, spec)
    return np.array(values, spec.numpy)


def _wrong(item: Any, spec: TensorSpec) -> ServingError:
    return invalid(f"JSON Value: {shown(item)} Type: {kind(item)} is not of expected type: {spec.type}")


def is_base64(value: Any) -> bool:
    """True for `{"b64": "..."}` with no other key."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: Any) -> bytes:
    """Decodes `{"b64": "..."}`; whitespace is skipped and padding may lack.

    Raises:
        ServingError: INVALID_ARGUMENT, another object, or not base64.
    """
    if not is_base64(value):
        raise invalid("JSON Value: ", shown(value), " not formatted correctly for base64 data")
    text = value["b64"]
    with contextlib.suppress(binascii.Error, ValueError, TypeError):
        # half the time where the text is as it should be
        return binascii.a2b_base64(text, strict_mode=True)
    bare = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None
