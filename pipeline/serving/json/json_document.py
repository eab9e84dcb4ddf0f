"""A request body as a JSON object, with the leniency and the messages of TensorFlow Serving's parser.

It parses with RapidJSON: NaN and Infinity are numbers, and what follows the document is ignored
(`util/json_tensor.cc`, ParseJson). orjson reads everything else, Python's own parser those.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

import orjson

from pipeline.serving.status import ServingError, invalid

_MESSAGES = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_DEBUG_BYTES = 256


class _NumberTooBig(ValueError):
    pass


def _integer(text: str) -> int | float:
    # Python's int() is quadratic in the digits; beyond 64 bits RapidJSON makes it a double as well
    return int(text) if len(text) <= 20 else _decimal(text)


def _decimal(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _NumberTooBig
    return value


_LENIENT = json.JSONDecoder(parse_int=_integer, parse_float=_decimal)


def parse(body: bytes) -> dict[str, Any]:
    """Parses a request body that must be a JSON object.

    Raises:
        ServingError: INVALID_ARGUMENT, the body is empty, not JSON, or another kind of value.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _parse_leniently(body)
    if not isinstance(document, dict):
        raise format_error(document, "Is not object")
    return document


def _parse_leniently(body: bytes) -> Any:
    def refused(reason: str, offset: int) -> ServingError:
        return invalid("JSON Parse error: ", reason, " at offset: ", offset)

    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise refused("Invalid encoding in string.", error.start) from None
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise refused("The document is empty.", start)
    try:
        document, _ = _LENIENT.raw_decode(text, start)
        if _SURROGATE.search(text):
            orjson.dumps(document)
    except json.JSONDecodeError as error:
        reason = _MESSAGES.get(error.msg)
        if reason is None:
            last = _innermost(text[: error.pos])
            what = "} after an object member." if last == "{" else "] after an array element."
            reason = f"Missing a comma or {what}"
        raise refused(reason, error.pos) from None
    except _NumberTooBig:
        raise refused("Number too big to be stored in double.", 0) from None
    except (ValueError, TypeError):
        raise refused("The surrogate pair in string is invalid.", 0) from None
    except RecursionError:
        raise refused("Nested too deeply.", 0) from None
    return document


def _innermost(text: str) -> str:
    """Returns the bracket, "{" or "[", that is open at the end of `text`."""
    open_ones = []
    for match in _BRACKETS.finditer(text):
        token = match.group()
        if token in "[{":
            open_ones.append(token)
        elif token in "]}" and open_ones:
            open_ones.pop()
    return open_ones[-1] if open_ones else "["


def kind(value: Any) -> str:
    """Returns RapidJSON's name of a value's type: Null, False, True, Object, Array, String or Number."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, str):
        return "String"
    return "Object" if isinstance(value, dict) else "Array" if isinstance(value, list) else "Number"


def format_error(value: Any, *parts: object) -> ServingError:
    """Builds the error "JSON Value: VALUE PARTS", the value shortened."""
    return invalid("JSON Value: ", debug_text(value), " ", *parts)


def debug_text(value: Any) -> str:
    """Writes a JSON value for a message, cut at about 256 characters, as TensorFlow Serving does."""
    pieces: list[str] = []
    size = 0

    def put(text: str) -> bool:
        nonlocal size
        pieces.append(text)
        size += len(text)
        return size < _DEBUG_BYTES

    def write(item: Any, indent: int) -> bool:
        if isinstance(item, dict):
            if not put("{"):
                return False
            for index, (key, below) in enumerate(item.items()):
                lead = ("," if index else "") + "\n" + "    " * (indent + 1)
                if not (put(lead + _scalar(key) + ": ") and write(below, indent + 1)):
                    return False
            return put("\n" + "    " * indent + "}" if item else "}")
        if isinstance(item, list):
            if not put("["):
                return False
            for index, below in enumerate(item):
                if not (put(", " if index else "") and write(below, indent + 1)):
                    return False
            return put("]")
        return put(_scalar(item))

    # every level writes a character first, so that the limit bounds the recursion too
    write(value, 0)
    return "".join(pieces)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value[:_DEBUG_BYTES], ensure_ascii=False)
    return json.dumps(value)
