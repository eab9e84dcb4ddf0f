"""Replays a version's recorded requests before it serves, as TensorFlow Serving does.

`assets.extra/tf_serving_warmup_requests` is a TFRecord file of `PredictionLog`. A record that cannot be
read or computed fails the version's load (`servables/tensorflow/saved_model_warmup_util.cc`).
"""

from __future__ import annotations

from typing import Any

from pipeline.errors import DataError
from pipeline.exported.layout import WARMUP_FILE
from pipeline.exported.prediction_log import read_logs
from pipeline.serving.models.inference import INPUTS
from pipeline.serving.models.model import Model
from pipeline.serving.models.protos import example_values, examples_signature, predict_arrays
from pipeline.serving.status import ServingError, invalid

MAX_RECORDS = 1000


def replay(model: Model) -> int:
    """Runs the model's warm-up requests; returns how many there were (0 without the file).

    Raises:
        ServingError: DATA_LOSS, the file or a record is damaged; a record is of an unsupported kind, or
            its request fails.
    """
    path = model.folder / WARMUP_FILE
    count = 0
    if not path.is_file():
        return count
    try:
        for log in read_logs(path):
            count += 1
            if count > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
            _run(model, log)
    except DataError as error:
        raise ServingError("DATA_LOSS", f"the warm-up requests are damaged: {error}") from None
    except ServingError as error:
        raise ServingError(error.code, f"Warm-up record {count} failed: {error.message}") from None
    return count


def _run(model: Model, log: Any) -> None:
    kind = log.WhichOneof("choice")
    if kind == "predict_log":
        model.run(*predict_arrays(model, log.predict_log.request))
    elif kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        action = kind.removesuffix("_log")
        signature = examples_signature(model, request.model_spec.signature_name, action)
        inputs = {INPUTS: example_values(request)}
        signature.check_shape(INPUTS, inputs[INPUTS].shape)
        model.run(signature, inputs)
    elif kind is not None:
        raise ServingError("UNIMPLEMENTED", f"Unsupported log_type for warmup: {kind}")
