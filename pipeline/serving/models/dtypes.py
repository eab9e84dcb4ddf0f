"""TensorFlow's data types as the JSON API sees them: number, name in messages, and NumPy type."""

from __future__ import annotations

import numpy as np

NAMES = {
    1: "float",
    2: "double",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "half",
    22: "uint32",
    23: "uint64",
}
"""DataType enum to TensorFlow's name for it (DataTypeString)."""

FLOATS: dict[int, type] = {1: np.float32, 2: np.float64}
INTEGERS: dict[int, type] = {
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    9: np.int64,
    22: np.uint32,
    23: np.uint64,
}
STRING = 7
BOOL = 10


def name(dtype: int) -> str:
    """Returns TensorFlow's name of a DataType number, such as "float"."""
    return NAMES.get(dtype, f"dtype {dtype}")


def numpy_type(dtype: int) -> type | None:
    """Returns the NumPy type of a DataType number; None where JSON cannot carry it (object for strings)."""
    return {**FLOATS, **INTEGERS, STRING: object, BOOL: np.bool_}.get(dtype)
