"""A `:classify` or `:regress` body as serialised `tf.train.Example` protos.

The forms are TensorFlow Serving's (`util/json_tensor.cc`, FillClassifyRegressRequestFromJson).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from pipeline.serving.json_forms.document import kind, shown
from pipeline.serving.json_forms.tensor import decode_base64, is_base64
from pipeline.serving.status import invalid

_INT64 = range(-(2**63), 2**63)


def examples(document: dict[str, Any]) -> list[bytes]:
    """Reads the examples of a request, each with the optional context before it.

    Raises:
        ServingError: INVALID_ARGUMENT, no examples, or a value that no feature can hold.
    """
    context = _example(document["context"]) if "context" in document else b""
    if "examples" not in document:
        raise invalid("key 'examples' is expected and was not found")
    listed = document["examples"]
    if not isinstance(listed, list):
        raise invalid("Expecting 'examples' value to be an list/array, got ", shown(listed))
    if not listed:
        raise invalid("'examples' value is an empty array")
    # concatenated serialised protos parse as one merged message
    return [context + _example(item) for item in listed]


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid("Example must be JSON object but got JSON ", kind(value))
    features = {name: _feature(name, content) for name, content in value.items()}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _feature(name: str, content: Any) -> tf.train.Feature:
    pairs = [_element(name, value) for value in (content if isinstance(content, list) else [content])]
    held = {kind for kind, _ in pairs}
    if len(held) > 1:
        raise invalid("Unexpected element type in feature: ", name, " expecting type: ", pairs[0][0])
    values = [value for _, value in pairs]
    if "bytes" in held:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if "int64" in held:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values)) if held else tf.train.Feature()


def _element(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, str):
        return "bytes", value.encode()
    if isinstance(value, float):
        return "float", value
    if isinstance(value, int):
        if value not in _INT64:
            raise invalid("Feature: ", name, " has uint64_t element. Only int64_t is supported.")
        return "int64", int(value)
    if is_base64(value):
        return "bytes", decode_base64(value)
    raise invalid("Feature: ", name, " has element with unexpected JSON type: ", kind(value))
