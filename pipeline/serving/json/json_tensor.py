"""One nested JSON value as a dense array, checked as TensorFlow Serving checks it.

Follows `util/json_tensor.cc` (GetDenseTensorShape, FillTensorProto, AddValueToTensor): the shape is
read along the first elements, then every value must fit it, and the texts of refusals are the same.
`dense` does it level by level with fast paths; only where something is wrong does `_exact` walk the
tree in TensorFlow Serving's order to find what to say.
"""

from __future__ import annotations

import base64
import binascii
from itertools import chain
from typing import Any

import numpy as np

from pipeline.serving.json.json_document import debug_text, kind
from pipeline.serving.models import dtypes
from pipeline.serving.status import ServingError, invalid

MAX_RANK = 32


class _Irregular(Exception):
    """The fast path cannot take this value; the exact one says why, or takes it."""


def dense(value: Any, dtype: int) -> np.ndarray:
    """Turns a scalar or nested list into an array of the DataType `dtype`.

    Returns:
        An array of any rank up to 32; strings as bytes in an object array.

    Raises:
        ServingError: INVALID_ARGUMENT for ragged lists, values of another type or range;
            UNIMPLEMENTED for types that JSON cannot carry.
    """
    try:
        return _regular(value, dtype)
    except _Irregular:
        return _exact(value, dtype)


def _regular(value: Any, dtype: int) -> np.ndarray:
    shape: list[int] = []
    level = [value]
    while level and type(level[0]) is list:
        size = len(level[0])
        if set(map(type, level)) != {list} or set(map(len, level)) != {size}:
            raise _Irregular
        shape.append(size)
        if len(shape) > MAX_RANK:
            raise invalid("Encountered list at unexpected level: ", MAX_RANK, " expected < ", MAX_RANK)
        level = list(chain.from_iterable(level))
    return _convert(level, dtype).reshape(shape)


def _convert(flat: list[Any], dtype: int) -> np.ndarray:
    kinds = set(map(type, flat))
    if dtype in dtypes.FLOATS and kinds <= {int, float}:
        # a double beyond float's range becomes infinite, as it does there
        with np.errstate(over="ignore"):
            return np.array(flat, np.float64).astype(dtypes.FLOATS[dtype])
    if dtype in dtypes.INTEGERS and kinds <= {int}:
        try:
            return np.array(flat, dtypes.INTEGERS[dtype])
        except OverflowError:
            raise _Irregular from None
    if dtype == dtypes.STRING and kinds <= {str, dict}:
        values = np.empty(len(flat), object)
        values[:] = [item.encode() if type(item) is str else decode_base64(item) for item in flat]
        return values
    if dtype == dtypes.BOOL and kinds <= {bool}:
        return np.array(flat, np.bool_)
    raise _Irregular


def _exact(value: Any, dtype: int) -> np.ndarray:
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    flat: list[Any] = []

    def fill(item: Any, level: int) -> None:
        if not isinstance(item, list):
            if level != len(shape):
                raise invalid(
                    f"JSON Value: {debug_text(item)} found at incorrect level: {level + 1} "
                    f"in the JSON DOM. Expected at level: {len(shape)}"
                )
            flat.append(_value(item, dtype))
            return
        if level >= len(shape):
            raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
        if len(item) != shape[level]:
            raise invalid(
                f"Encountered list at unexpected size: {len(item)} at level: {level} "
                f"expected size: {shape[level]}"
            )
        for below in item:
            fill(below, level + 1)

    fill(value, 0)
    return _convert(flat, dtype).reshape(shape)


def _value(item: Any, dtype: int) -> Any:
    """Returns the value if it fits the type; raises the refusal if not."""
    if isinstance(item, dict):
        if dtype == dtypes.STRING:
            decode_base64(item)
            return item
        raise type_error(item, dtype)
    if dtype in dtypes.FLOATS:
        good = type(item) in (int, float)
    elif dtype in dtypes.INTEGERS:
        limits = np.iinfo(dtypes.INTEGERS[dtype])
        good = type(item) is int and limits.min <= item <= limits.max
    elif dtype == dtypes.STRING:
        good = type(item) is str
    elif dtype == dtypes.BOOL:
        good = type(item) is bool
    else:
        raise ServingError(
            "UNIMPLEMENTED",
            f"Conversion of JSON Value: {debug_text(item)} to type: {dtypes.name(dtype)}",
        )
    if not good:
        raise type_error(item, dtype)
    return item


def type_error(item: Any, dtype: int) -> ServingError:
    """Builds the refusal of a value of the wrong type."""
    return invalid(
        f"JSON Value: {debug_text(item)} Type: {kind(item)} is not of expected type: {dtypes.name(dtype)}"
    )


def is_base64(value: Any) -> bool:
    """True for `{"b64": "..."}` with no other key."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: Any) -> bytes:
    """Decodes `{"b64": "..."}`; whitespace is skipped and padding may lack.

    Raises:
        ServingError: INVALID_ARGUMENT, another object, or not base64.
    """
    if not is_base64(value):
        raise invalid("JSON Value: ", debug_text(value), " not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return binascii.a2b_base64(text, strict_mode=True) if text else b""
    except (binascii.Error, ValueError, TypeError):
        pass
    bare = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None
