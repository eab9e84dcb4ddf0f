"""Warm-up requests: replayed before a version serves, and a bad one keeps it from serving."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.exported.layout import WARMUP_FILE
from pipeline.exported.serving_messages import message
from pipeline.serving.models.model import Model
from pipeline.serving.models.warmup import replay
from pipeline.serving.status import ServingError


@pytest.fixture
def model(tmp_path: Path, model_root: Path) -> Model:
    """The classifier in a folder of its own."""
    shutil.copytree(model_root / "digits" / "1", tmp_path / "1")
    return Model("digits", 1, tmp_path / "1")


def predict_log(signature: str, **inputs: np.ndarray) -> bytes:
    log = message("PredictionLog")()
    log.predict_log.request.model_spec.signature_name = signature
    for name, value in inputs.items():
        log.predict_log.request.inputs[name].ParseFromString(tf.make_tensor_proto(value).SerializeToString())
    return log.SerializeToString()


def classify_log(signature: str, **features: bytes) -> bytes:
    log = message("PredictionLog")()
    request = log.classify_log.request
    request.model_spec.signature_name = signature
    example = request.input.example_list.examples.add()
    for name, value in features.items():
        example.features.feature[name.replace("__", "/")].bytes_list.value.append(value)
    return log.SerializeToString()


def write(model: Model, *records: bytes) -> Path:
    path = model.folder / WARMUP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for record in records:
            file.write(record)
    return path


IMAGE = np.zeros((1, 8, 8, 1), np.float32)
PNG = tf.io.encode_png(np.zeros((8, 8, 1), np.uint8)).numpy()


def test_without_records_nothing_happens(model: Model) -> None:
    assert replay(model) == 0


def test_every_signature_can_be_warmed_up(model: Model) -> None:
    write(
        model,
        predict_log("", image=IMAGE),
        predict_log("serving_uint8", image=IMAGE.astype(np.uint8)),
        predict_log("serving_bytes", image_bytes=np.array([PNG])),
        classify_log("classify", image__encoded=PNG),
    )
    assert replay(model) == 4


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (predict_log("none", image=IMAGE), 'Serving signature key "none" not found.'),
        (predict_log("", picture=IMAGE), "Sent extra: {picture}. Missing but required: {image}."),
        (predict_log("", image=IMAGE.astype(np.float64)), "data type"),
        (predict_log("", image=IMAGE[:, :5]), "has shape [1, 5, 8, 1]"),
        (predict_log("serving_bytes", image_bytes=np.array([b"no image"])), "Warm-up record 2 failed"),
        (classify_log("", image__encoded=PNG), "Expected one or two output Tensors"),
        (classify_log("classify", other=PNG), "image/encoded"),
        (b"\xff\xff\xff", "request 2 of"),
        (message("PredictionLog")(session_run_log={}).SerializeToString(), "Unsupported log_type"),
    ],
)
def test_a_bad_record_fails_the_load(model: Model, record: bytes, text: str) -> None:
    write(model, predict_log("", image=IMAGE), record)
    with pytest.raises(ServingError) as caught:
        replay(model)
    assert text in caught.value.message


def test_a_damaged_file_fails_the_load(model: Model) -> None:
    path = write(model, predict_log("", image=IMAGE))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ServingError, match="the warm-up requests are damaged: .* is cut off") as caught:
        replay(model)
    assert caught.value.code == "DATA_LOSS"


def test_descriptors_write_tensorflow_servings_bytes() -> None:
    """Field by field, against bytes composed by hand from the published .proto files."""
    log = message("PredictionLog")()
    request = log.predict_log.request
    request.model_spec.name = "m"
    request.model_spec.signature_name = "s"
    request.model_spec.version.value = 3
    request.output_filter.append("o")
    spec = b"\x0a\x01m" + b"\x12\x02\x08\x03" + b"\x1a\x01s"
    inner = b"\x0a" + bytes([len(spec)]) + spec + b"\x1a\x01o"
    predict = b"\x0a" + bytes([len(inner)]) + inner
    assert log.SerializeToString(deterministic=True) == b"\x32" + bytes([len(predict)]) + predict
