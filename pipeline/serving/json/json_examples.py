"""A `:classify` or `:regress` body as serialised `tf.train.Example` protos.

Follows `util/json_tensor.cc` (FillClassifyRegressRequestFromJson, AddValueToFeature) in order and texts.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipeline.serving.json.json_document import format_error, kind
from pipeline.serving.json.json_tensor import decode_base64, is_base64
from pipeline.serving.status import ServingError, invalid

_INT64 = range(-(2**63), 2**63)


def examples(document: dict[str, Any]) -> list[bytes]:
    """Reads the examples of a request, each with the optional context before it.

    The texts say "classify" for both methods, as TensorFlow Serving's do.

    Raises:
        ServingError: INVALID_ARGUMENT, no examples, or a value that no feature can hold.
    """
    context = b""
    if "context" in document:
        context = _example(document["context"])
    if "examples" not in document:
        raise format_error(document, "When method is classify, key 'examples' is expected and was not found")
    listed = document["examples"]
    if not isinstance(listed, list):
        raise format_error(document, "Expecting 'examples' value to be an list/array")
    if not listed:
        raise format_error(document, "'examples' value is an empty array")
    # concatenated serialised protos parse as one merged message
    return [context + _example(item) for item in listed]


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid("Example must be JSON object but got JSON ", kind(value))
    features = {name: _feature(name, content) for name, content in value.items()}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _feature(name: str, content: Any) -> tf.train.Feature:
    held: str | None = None
    values: list[Any] = []
    for value in content if isinstance(content, list) else [content]:
        wanted, item = _element(name, value)
        if held not in (None, wanted):
            raise _mixed(name, str(held))
        held = wanted
        values.append(item)
    if held == "bytes":
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if held == "int64":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    if held == "float":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature()


def _element(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "int64", int(value)
    if isinstance(value, str):
        return "bytes", value.encode()
    if isinstance(value, float):
        return "float", value
    if isinstance(value, int):
        if value not in _INT64:
            raise invalid("Feature: ", name, " has uint64_t element. Only int64_t is supported.")
        return "int64", value
    if is_base64(value):
        return "bytes", decode_base64(value)
    raise invalid("Feature: ", name, " has element with unexpected JSON type: ", kind(value))


def _mixed(name: str, held: str) -> ServingError:
    return invalid("Unexpected element type in feature: ", name, " expecting type: ", held)
