"""Warm-up requests: a TFRecord file of PredictionLog, as TensorFlow Serving replays it at loading.

write_requests(folder / WARMUP_FILE, "classifier", [Request("serving_default", {"image": array})])
for request in read_requests(folder / WARMUP_FILE): ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from pipeline.errors import DataError
from pipeline.exported.layout import DEFAULT
from pipeline.exported.serving_messages import message
from ssgan_tf.records import iterate_records, write_records


class Request(NamedTuple):
    """One request: the signature it asks for, and its inputs by name (object arrays for bytes)."""

    signature: str
    inputs: dict[str, np.ndarray]


def prediction_log(name: str, signature: str, inputs: Mapping[str, Any]) -> bytes:
    """Serialises one PredictionLog that holds a PredictRequest.

    Args:
        name: the served name.
        signature: the signature to ask for.
        inputs: arrays by the names of the signature's inputs.
    """
    log = message("PredictionLog")()
    request = log.predict_log.request
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return log.SerializeToString(deterministic=True)


def write_requests(path: Path, name: str, requests: Iterable[Request]) -> None:
    """Writes a TFRecord file of PredictionLog, one record a request, whole or not at all.

    Args:
        path: the file; its folder is created.
        name: the served name.
        requests: in the order they are to be replayed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_records(path, (prediction_log(name, *request) for request in requests))


def read_logs(path: Path) -> Iterator[Any]:
    """Yields the PredictionLog protos of a TFRecord file.

    Raises:
        DataError: the file is damaged, or a record is no PredictionLog; with its number, from 1.
    """
    for number, (_, payload) in enumerate(iterate_records(path), 1):
        try:
            log = message("PredictionLog").FromString(payload)
        except DecodeError as error:
            raise DataError(f"request {number} of {str(path)!r} is wrong: {error}.") from None
        yield log


def read_requests(path: Path) -> Iterator[Request]:
    """Yields the requests of a TFRecord file of PredictionLog.

    Raises:
        DataError: the file is damaged, or a record is no predict request.
    """
    for number, log in enumerate(read_logs(path), 1):
        try:
            if not log.HasField("predict_log"):
                raise ValueError("it is no predict request")
            request = log.predict_log.request
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        except (ValueError, TypeError) as error:
            raise DataError(f"request {number} of {str(path)!r} is wrong: {error}.") from None
        yield Request(request.model_spec.signature_name or DEFAULT, inputs)
