"""Requests as protocol buffers (gRPC calls, warm-up records): which signature, and its inputs as arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2

from pipeline.exported.layout import DEFAULT
from pipeline.serving.models.inference import check_signature
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import ServingError, invalid

MAX_TENSOR_BYTES = 256 * 2**20


def predict_arrays(
    model: Model, request: Any, max_bytes: int = MAX_TENSOR_BYTES
) -> tuple[Signature, dict[str, np.ndarray]]:
    """Returns a PredictRequest's signature and its inputs as arrays, checked.

    Args:
        model: the model asked.
        request: the proto.
        max_bytes: memory that its inputs may take together; a few bytes of proto can claim gigabytes.

    Raises:
        ServingError: FAILED_PRECONDITION for an unknown signature; INVALID_ARGUMENT for other inputs
            than the signature's; RESOURCE_EXHAUSTED where they would be larger than `max_bytes`.
    """
    name = request.model_spec.signature_name or DEFAULT
    if name not in model.signatures:
        raise ServingError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
    signature = model.signatures[name]
    sent, wanted = set(request.inputs), set(signature.inputs)
    if sent != wanted:
        extra, missing = (",".join(sorted(names)) for names in (sent - wanted, wanted - sent))
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)}. "
            f"Sent extra: {{{extra}}}. Missing but required: {{{missing}}}."
        )
    size = 0
    for alias, spec in signature.inputs.items():
        proto = request.inputs[alias]
        if proto.dtype != spec.dtype:
            raise invalid(f"Input {alias!r} has data type {proto.dtype}; the signature takes {spec.dtype}.")
        shape = tuple(dim.size for dim in proto.tensor_shape.dim)
        signature.check_shape(alias, shape)
        count = math.prod(shape)
        size += count * max(1, tf.as_dtype(proto.dtype).size)
        # one number may stand for many, one image not
        few = proto.dtype == types_pb2.DT_STRING and count > len(proto.string_val)
        if min(shape, default=0) < 0 or size > max_bytes or few:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"Input {alias!r} claims shape {list(shape)}, more than is allowed or sent.",
            )
    try:
        return signature, {alias: tf.make_ndarray(request.inputs[alias]) for alias in signature.inputs}
    except Exception as error:
        raise invalid(f"An input is no tensor: {str(error)[:200]}") from None


def examples_signature(model: Model, name: str, action: str) -> Signature:
    """Returns the signature that a classify or regress request asks for, checked.

    Raises:
        ServingError: INVALID_ARGUMENT, none of this name, or one that cannot do it.
    """
    name = name or DEFAULT
    if name not in model.signatures:
        raise invalid("No signature was found with the name: ", name)
    check_signature(model.signatures[name], action)
    return model.signatures[name]


def example_values(request: Any) -> np.ndarray:
    """Returns the serialised examples of a request, context first, as bytes [B].

    Raises:
        ServingError: INVALID_ARGUMENT, there are none.
    """
    context, listed = b"", request.input.example_list.examples
    if request.input.WhichOneof("choice") == "example_list_with_context":
        with_context = request.input.example_list_with_context
        context, listed = with_context.context.SerializeToString(), with_context.examples
    if not listed:
        raise invalid("Input is empty.")
    return as_strings([context + example.SerializeToString() for example in listed])


def as_strings(values: list[bytes]) -> np.ndarray:
    """Returns byte strings as TensorFlow takes them: an object array [B]."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
