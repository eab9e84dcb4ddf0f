"""The gRPC API, by a client that knows TensorFlow Serving's messages only."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from serving_fixtures import serving

from pipeline.exported.serving_messages import message

grpc = pytest.importorskip("grpc", reason="needs grpcio, of the extra `grpc`")


class Client:
    """Calls by name."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def call(self, method: str, request: Any, answer: str, service: str = "PredictionService") -> Any:
        call = self.channel.unary_unary(
            f"/tensorflow.serving.{service}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=message(answer).FromString,
        )
        return call(request, timeout=20)

    def predict(self, inputs: dict[str, Any], **spec: Any) -> Any:
        return self.call("Predict", predict_request(inputs, **spec), "PredictResponse")


def predict_request(inputs: dict[str, Any], name: str = "echo", signature: str = "", only: tuple = ()) -> Any:
    request = message("PredictRequest")()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    request.output_filter.extend(only)
    for key, value in inputs.items():
        request.inputs[key].ParseFromString(tf.make_tensor_proto(value).SerializeToString())
    return request


@pytest.fixture(scope="module")
def client(model_root: Path) -> Iterator[Client]:
    with serving(model_root / "echo", versions="1,3", labels="stable=1", grpc_port=0) as server:
        said = next((line for line in server.lines if line.startswith("gRPC")), None) or server.wait_for(
            "gRPC"
        )
        yield Client(int(re.search(r":(\d+)$", said)[1]))


def arrays(response: Any) -> dict[str, np.ndarray]:
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def test_predict(client: Client) -> None:
    response = client.predict({"x": np.array([1.0, 2.0], np.float32)})
    assert arrays(response)["y"].tolist() == [2.5, 3.0]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("echo", 3, "serving_default")
    response = client.predict({"i": np.array([[1, 2]], np.int32)}, signature="integers", only=("total",))
    assert {name: value.tolist() for name, value in arrays(response).items()} == {"total": [3]}
    response = client.predict({"s": np.array([b"\xff"], object)}, signature="text")
    assert arrays(response)["text_bytes"].tolist() == [b"\xff"]


def test_versions_and_labels(client: Client) -> None:
    request = predict_request({"x": np.zeros(1, np.float32)})
    request.model_spec.version_label = "stable"
    assert client.call("Predict", request, "PredictResponse").model_spec.version.value == 1
    request.model_spec.version.value = 3
    assert client.call("Predict", request, "PredictResponse").model_spec.version.value == 3


@pytest.mark.parametrize(
    ("inputs", "spec", "code", "text"),
    [
        (
            {"x": np.zeros(1, np.float32)},
            {"name": "foo"},
            "NOT_FOUND",
            "Servable not found for request: Latest(foo)",
        ),
        (
            {"x": np.zeros(1, np.float32)},
            {"name": ""},
            "INVALID_ARGUMENT",
            "ModelSpec has no name specified.",
        ),
        (
            {"x": np.zeros(1, np.float32)},
            {"signature": "none"},
            "FAILED_PRECONDITION",
            'key "none" not found',
        ),
        ({"z": np.zeros(1, np.float32)}, {}, "INVALID_ARGUMENT", "input size does not match signature"),
        ({"x": np.zeros(1, np.float64)}, {}, "INVALID_ARGUMENT", "data type"),
        ({"x": np.zeros((1, 1), np.float32)}, {}, "INVALID_ARGUMENT", "has shape [1, 1]"),
        (
            {"x": np.zeros(1, np.float32)},
            {"only": ("z",)},
            "INVALID_ARGUMENT",
            "alias not found in signature: z",
        ),
        (
            {"x": np.zeros(1, np.float32)},
            {"only": ("y", "y")},
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: y",
        ),
    ],
)
def test_predict_is_refused(client: Client, inputs: dict, spec: dict, code: str, text: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.predict(inputs, **spec)
    assert caught.value.code().name == code
    assert text in caught.value.details()


def test_classify_and_regress(client: Client) -> None:
    for method, signature, kind in (
        ("Classify", "classify_scores", "Classification"),
        ("Regress", "regress", "Regression"),
    ):
        request = message(f"{kind}Request")()
        request.model_spec.name, request.model_spec.signature_name = "echo", signature
        for x in (20.0, 10.0):
            example = request.input.example_list.examples.add()
            example.features.feature["x"].float_list.value.append(x)
        result = client.call(method, request, f"{kind}Response").result
        if kind == "Classification":
            assert [item.classes[0].score for item in result.classifications] == [12.0, 7.0]
        else:
            assert [item.value for item in result.regressions] == [12.0, 7.0]
        request.input.Clear()
        with pytest.raises(grpc.RpcError, match="Input is empty"):
            client.call(method, request, f"{kind}Response")


def test_metadata_and_status(client: Client) -> None:
    request = message("GetModelMetadataRequest")(metadata_field=["signature_def"])
    request.model_spec.name = "echo"
    response = client.call("GetModelMetadata", request, "GetModelMetadataResponse")
    assert response.model_spec.version.value == 3
    table = message("SignatureDefMap")()
    packed = response.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    table.ParseFromString(packed.value)
    assert "integers" in table.signature_def
    status = message("GetModelStatusRequest")()
    status.model_spec.name = "echo"
    found = client.call(
        "GetModelStatus", status, "GetModelStatusResponse", "ModelService"
    ).model_version_status
    assert [(item.version, item.state, item.status.error_code) for item in found] == [(3, 30, 0), (1, 30, 0)]
    request.metadata_field[0] = "other"
    with pytest.raises(grpc.RpcError, match="Metadata field other is not supported"):
        client.call("GetModelMetadata", request, "GetModelMetadataResponse")


def test_a_claimed_shape_is_refused_before_it_is_filled(client: Client) -> None:
    request = predict_request({"x": np.zeros(1, np.float32)})
    request.inputs["x"].tensor_shape.dim[0].size = 3_000_000_000
    assert len(request.SerializeToString()) < 100
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        client.call("Predict", request, "PredictResponse")
    assert caught.value.code().name == "RESOURCE_EXHAUSTED" and "claims shape" in caught.value.details()
    assert time.monotonic() - started < 2
    request.inputs["x"].tensor_shape.dim[0].size = -1
    with pytest.raises(grpc.RpcError, match="claims shape"):
        client.call("Predict", request, "PredictResponse")
    # one text must not stand for a million: each would be an image to decode
    request = predict_request({"s": np.array([b"x"], object)}, signature="text")
    request.inputs["s"].tensor_shape.dim[0].size = 1_000_000
    with pytest.raises(grpc.RpcError, match="claims shape"):
        client.call("Predict", request, "PredictResponse")


def test_what_is_no_message_is_refused(client: Client) -> None:
    call = client.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=20)
    assert caught.value.code().name == "INVALID_ARGUMENT"


def test_calls_and_bytes_at_once_have_limits(model_root: Path) -> None:
    limits = {"max_queue": 4, "max_batch": 1, "max_body_mb": 1.0, "max_pending_mb": 2.0}
    with serving(model_root / "digits", name="echo", grpc_port=0, **limits) as server:
        said = next((line for line in server.lines if line.startswith("gRPC")), None) or server.wait_for(
            "gRPC"
        )
        client = Client(int(re.search(r":(\d+)$", said)[1]))
        image = np.zeros((3500, 8, 8, 1), np.float32)

        def ask(_: int) -> str:
            try:
                client.predict({"image": image})
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        before = server.memory
        with ThreadPoolExecutor(32) as pool:
            codes = set(pool.map(ask, range(64)))
        assert "RESOURCE_EXHAUSTED" in codes <= {"OK", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}, codes
        assert server.memory - before < 100e6
        assert ask(0) == "OK"
        page = server.get("/monitoring/prometheus/metrics").body
        assert b"ganpipe_serving_body_bytes 0.0" in page and b"ganpipe_serving_queue_requests 0.0" in page
