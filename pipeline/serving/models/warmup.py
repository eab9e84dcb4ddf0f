"""Replays a version's recorded requests before it serves, as TensorFlow Serving does.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of `PredictionLog`. A record that cannot be
read or computed fails the version's load (`servables/tensorflow/saved_model_warmup_util.cc`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.exported.serving_messages import message
from pipeline.serving.models import inference
from pipeline.serving.models.model import DEFAULT_SIGNATURE, Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import ServingError, invalid
from ssgan_tf.errors import DataError
from ssgan_tf.records import iterate_records

REQUESTS = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000


def replay(model: Model) -> int:
    """Runs the model's warm-up requests; returns how many there were (0 without the file).

    Raises:
        ServingError: a record is damaged, of an unsupported kind, or its request fails.
    """
    path = model.folder / REQUESTS
    if not path.is_file():
        return 0
    count = 0
    try:
        for _, record in iterate_records(path):
            count += 1
            if count > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
            _run(model, record, count)
    except DataError as error:
        reason = str(error).removesuffix(" Run `ganpipe preprocess` again.")
        raise ServingError(
            "DATA_LOSS", f"{reason} Please verify your warmup data is in TFRecord format."
        ) from None
    return count


def _run(model: Model, record: bytes, number: int) -> None:
    log = message("PredictionLog")()
    try:
        log.ParseFromString(record)
    except Exception:
        raise invalid(f"Failed to parse warmup record: {number}") from None
    kind = log.WhichOneof("choice")
    try:
        if kind == "predict_log":
            run_predict(model, log.predict_log.request)
        elif kind == "classify_log":
            run_examples(model, log.classify_log.request, inference.check_classify)
        elif kind == "regress_log":
            run_examples(model, log.regress_log.request, inference.check_regress)
        elif kind is not None:
            raise ServingError("UNIMPLEMENTED", f"Unsupported log_type for warmup: {kind}")
    except ServingError as error:
        raise ServingError(error.code, f"Warm-up record {number} failed: {error.message}") from None


def run_predict(model: Model, request: Any) -> dict[str, np.ndarray]:
    """Computes a PredictRequest proto.

    Raises:
        ServingError: FAILED_PRECONDITION for an unknown signature; INVALID_ARGUMENT for other inputs
            than the signature's.
    """
    signature, inputs = predict_arrays(model, request)
    return model.run(signature, inputs)


def predict_arrays(model: Model, request: Any) -> tuple[Signature, dict[str, np.ndarray]]:
    """Returns a PredictRequest's signature and its inputs as arrays, checked.

    Raises:
        ServingError: as `run_predict`.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in model.signatures:
        raise ServingError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
    signature = model.signatures[name]
    sent, wanted = set(request.inputs), set(signature.inputs)
    if sent != wanted:
        listed = [",".join(sorted(names)) for names in (sent, wanted, sent - wanted, wanted - sent)]
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} len({{{listed[0]}}}) != "
            f"len({{{listed[1]}}}). Sent extra: {{{listed[2]}}}. Missing but required: {{{listed[3]}}}."
        )
    inputs = {}
    for alias, spec in signature.inputs.items():
        proto = request.inputs[alias]
        if proto.dtype != spec.dtype:
            raise invalid(f"Input {alias!r} has data type {proto.dtype}; the signature takes {spec.dtype}.")
        try:
            inputs[alias] = tf.make_ndarray(proto)
        except Exception as error:
            raise invalid(f"Input {alias!r} is no tensor: {str(error)[:200]}") from None
    model.check(signature, inputs)
    return signature, inputs


def run_examples(model: Model, request: Any, check: Any) -> dict[str, np.ndarray]:
    """Computes a ClassificationRequest or RegressionRequest proto, after `check` of its signature."""
    signature = model.signature(request.model_spec.signature_name)
    check(signature)
    inputs = {inference.INPUTS: examples_array(request)}
    model.check(signature, inputs)
    return model.run(signature, inputs)


def examples_array(request: Any) -> np.ndarray:
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
    values = np.empty(len(listed), object)
    values[:] = [context + example.SerializeToString() for example in listed]
    return values
