"""A request body as a JSON object, read as leniently as TensorFlow Serving reads it.

NaN and Infinity are numbers there, and what follows the document is ignored (`util/json_tensor.cc`,
ParseJson). orjson reads everything else, Python's own parser those.
"""

from __future__ import annotations

import codecs
import json
import math
import reprlib
from typing import Any

import orjson

from pipeline.serving.status import ServingError, invalid

MAX_VALUES = 1_000_000
"""Values of a document that becomes Python objects: more would hold up other requests, and fill memory."""

_QUOTED = 256
_KINDS = {dict: "Object", list: "Array", str: "String", bool: "Bool", type(None): "Null"}


def _decimal(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too big for a double")
    return value


def _integer(text: str) -> int | float:
    # Python's int() is quadratic in the digits
    return int(text) if len(text) <= 20 else _decimal(text)


_LENIENT = json.JSONDecoder(parse_int=_integer, parse_float=_decimal)


def parse(body: bytes) -> dict[str, Any]:
    """Parses a request body that must be a JSON object.

    Raises:
        ServingError: INVALID_ARGUMENT, the body is empty, not JSON, or another kind of value;
            with HTTP status 413 where it holds more than MAX_VALUES values.
    """
    # every value but the first of a list or object follows a comma, and every other a bracket
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise ServingError(
            "INVALID_ARGUMENT",
            f"The JSON holds more than {MAX_VALUES} values. Send fewer instances, plain numbers of the "
            "signature's shape, or encoded images.",
            http_status=413,
        )
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _parse_leniently(body)
    if not isinstance(document, dict):
        raise invalid("JSON Value: ", shown(document), " Is not object")
    return document


def _parse_leniently(body: bytes) -> Any:
    try:
        document, _ = _LENIENT.raw_decode(body.decode().lstrip(" \t\r\n"))
        # half a surrogate pair is text to Python, and to nobody else
        orjson.dumps(document, default=str)
    except UnicodeDecodeError as error:
        raise invalid("JSON Parse error: Invalid encoding in string, at offset: ", error.start) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise invalid("JSON Parse error: ", error) from None
    return document


def kind(value: Any) -> str:
    """Returns the JSON name of a value's type: Null, Bool, Object, Array, String or Number."""
    return _KINDS.get(type(value), "Number")


def shown(value: Any) -> str:
    """Writes a value for a message, shortened to a few members and 256 characters."""
    text = reprlib.repr(value)
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "..."
