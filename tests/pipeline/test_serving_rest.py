"""The REST API over HTTP: the cases of TensorFlow Serving's http_rest_api_handler_test.cc."""

from __future__ import annotations

import base64
import gzip
import io
import json
from typing import Any

import numpy as np
import pytest
import serving_models
from PIL import Image
from serving_fixtures import Served

BIG = 2**64 - 1

MALFORMED = [
    ("GET", "/v1/foo", "Malformed request: GET /v1/foo"),
    ("POST", "/v1/foo", "Malformed request: POST /v1/foo"),
    ("GET", "/v1/models", "Missing model name in request."),
    ("GET", "/v1/models/debug/model_name", "Malformed request"),
    ("POST", "/v1/models", "Malformed request"),
    ("GET", "/v1/models/echo:predict", "Malformed request"),
    ("GET", "/v1/models/foo/version/50:predict", "Malformed request"),
    ("POST", "/v1/models/foo/version/50:regress", "Malformed request"),
    ("POST", "/v1/models/foo/versions/HELLO:regress", "Malformed request"),
    ("POST", f"/v1/models/foo/versions/{BIG}:regress", f"Failed to convert version: {BIG} to numeric."),
    ("POST", "/v1/models/foo/metadata", "Malformed request"),
    ("POST", "/v1/models/foo/label/some_label:regress", "Malformed request"),
    ("POST", "/v1/models/foo/versions/50/labels/some_label:regress", "Malformed request"),
    ("POST", "/v1/models/foo/versions/some_label:regress", "Malformed request"),
    ("PUT", "/v1/models/echo:predict", "Malformed request: PUT /v1/models/echo:predict"),
    ("DELETE", "/v1/models/echo", "Malformed request"),
    ("POST", "/v1/models/echo:explain", "Malformed request"),
    ("POST", "/v1/models/a/b:predict", "Malformed request"),
    ("OPTIONS", "/v1/models/echo:predict", "Origin header is missing in CORS preflight"),
]


@pytest.mark.parametrize(("method", "path", "text"), MALFORMED)
def test_urls_that_mean_nothing(echo: Served, method: str, path: str, text: str) -> None:
    answer = echo.request(method, path, b"" if method != "GET" else None)
    assert answer.status == 400
    assert text in answer.error


ONE = {"instances": [1]}
REFUSED: list[tuple[str, Any, int, str]] = [
    ("/v1/models/foo:predict", ONE, 404, "Servable not found for request: Latest(foo)"),
    ("/v1/models/foo/versions/50:predict", ONE, 404, "Servable not found for request: Specific(foo, 50)"),
    ("/v1/models/echo/versions/99:predict", ONE, 404, "Servable not found for request: Specific(echo, 99)"),
    ("/v1/models/foo:predict", b"", 400, "JSON Parse error"),
    ("/v1/models/echo:predict", b"", 400, "JSON Parse error"),
    ("/v1/models/echo:predict", b"instances = [1, 2]", 400, "JSON Parse error"),
    ("/v1/models/echo:predict", {"instances": ["x", "y"]}, 400, "not of expected type: float"),
    ("/v1/models/echo/labels/none:predict", ONE, 400, "Unrecognized servable version label: none"),
    ("/v1/models/foo/labels/stable:predict", ONE, 400, "Unrecognized servable version label: stable"),
    ("/v1/models/echo:predict", {"signature_name": 100}, 400, "'signature_name' key must be a string value."),
    (
        "/v1/models/echo:predict",
        {"signature_name": "none", **ONE},
        400,
        'Serving signature name: "none" not found in signature def',
    ),
    (
        "/v1/models/echo:predict",
        {"signature_name": "__saved_model_init_op", **ONE},
        400,
        "Failed to get input map for signature: __saved_model_init_op",
    ),
    ("/v1/models/echo:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
    ("/v1/models/echo:predict", {"signature_name": "integers", "instances": [[1.0, 2]]}, 400, "type: int32"),
    (
        "/v1/models/echo:predict",
        {"signature_name": "integers", "instances": [[1, 2, 3]]},
        400,
        "has shape [1, 3]",
    ),
    ("/v1/models/echo:predict", {"instances": [[1], [2]]}, 400, "has shape [2, 1]"),
    ("/v1/models/echo:predict", {"inputs": 5}, 400, "has shape []"),
    (
        "/v1/models/echo:classify",
        {"examples": [{"x": 1.0}]},
        400,
        "No classification inputs found in SignatureDef",
    ),
    (
        "/v1/models/echo:classify",
        {"signature_name": "none", "examples": [{}]},
        400,
        "No signature was found with the name: none",
    ),
    ("/v1/models/echo:classify", {"instances": [1]}, 400, "key 'examples' is expected and was not found"),
    (
        "/v1/models/echo:classify",
        {"signature_name": "integers", "examples": [{}]},
        400,
        "Expected one or two output Tensors, found 3",
    ),
    (
        "/v1/models/echo:regress",
        {"examples": [{"x": 1.0}]},
        400,
        "No regression inputs found in SignatureDef",
    ),
    (
        "/v1/models/echo:regress",
        {"signature_name": "classify_scores", "examples": [{"x": 1.0}]},
        400,
        "No regression outputs found in SignatureDef",
    ),
    (
        "/v1/models/foo:classify",
        {"examples": [{"x": 1.0}]},
        404,
        "Servable not found for request: Latest(foo)",
    ),
    ("/v1/models/echo:regress", {"signature_name": "regress", "examples": [{"y": 1.0}]}, 400, "x"),
]


@pytest.mark.parametrize(("path", "body", "status", "text"), REFUSED)
def test_requests_that_are_refused(echo: Served, path: str, body: Any, status: int, text: str) -> None:
    answer = echo.post(path, body)
    assert answer.status == status, answer
    assert text in answer.error
    assert answer.headers["content-type"] == "application/json"


def request(**keys: Any) -> dict[str, Any]:
    return keys


ANSWERED: list[tuple[str, Any, Any]] = [
    ("echo:predict", request(instances=[1.0, 2.0, 5.0]), {"predictions": [2.5, 3.0, 4.5]}),
    ("echo/versions/1:predict", request(instances=[1.0, 2.0]), {"predictions": [2.5, 3.0]}),
    ("echo/labels/stable:predict", request(instances=[1.0, 2.0]), {"predictions": [2.5, 3.0]}),
    (
        "echo:predict",
        request(signature_name="serving_default", instances=[3.0, 4.0]),
        {"predictions": [3.5, 4.0]},
    ),
    ("echo:predict", request(signature_name="serving_default", inputs=[3.0, 4.0]), {"outputs": [3.5, 4.0]}),
    ("echo:predict", request(signature_name="", instances=[3.0]), {"predictions": [3.5]}),
    ("ECHO:PREDICT".replace("ECHO", "echo"), request(instances=[0]), {"predictions": [2.0]}),
    ("%65cho:predict", request(instances=[0]), {"predictions": [2.0]}),
    ("echo:predict?a=b", request(instances=[0]), {"predictions": [2.0]}),
    ("echo:predict", request(instances=[{"x": 2}, {"x": 4}]), {"predictions": [3.0, 4.0]}),
    ("echo:predict", request(inputs={"x": [2, 4]}), {"outputs": [3.0, 4.0]}),
    (
        "echo:predict",
        request(signature_name="integers", instances=[[1, 2], [3, 4]]),
        {
            "predictions": [
                {"same": [1, 2], "wide": [1, 2], "total": 3},
                {"same": [3, 4], "wide": [3, 4], "total": 7},
            ]
        },
    ),
    (
        "echo:predict",
        request(signature_name="integers", inputs=[[1, 2], [3, 4]]),
        {"outputs": {"same": [[1, 2], [3, 4]], "wide": [[1, 2], [3, 4]], "total": [3, 7]}},
    ),
    (
        "echo:predict",
        request(signature_name="text", instances=["a", {"b64": "aMOp"}]),
        {
            "predictions": [
                {"text": "a", "text_bytes": {"b64": "YQ=="}},
                {"text": "hé", "text_bytes": {"b64": "aMOp"}},
            ]
        },
    ),
    (
        "echo:predict",
        request(signature_name="two", instances=[{"a": [1, 2], "b": True}, {"a": [3, 4], "b": False}]),
        {
            "predictions": [
                {"nested": [[1.0], [2.0]], "scalar": 1.0, "flag": False},
                {"nested": [[3.0], [4.0]], "scalar": 3.0, "flag": True},
            ]
        },
    ),
    ("echo:predict", request(signature_name="scalar", inputs=4), {"outputs": 5.0}),
    ("echo:predict", request(signature_name="double", instances=[0.1]), {"predictions": [0.1]}),
    (
        "echo:classify",
        request(signature_name="classify_scores", examples=[{"x": 20.0}, {"x": 10.0}]),
        {"results": [[["", 12.0]], [["", 7.0]]]},
    ),
    (
        "echo/labels/stable:classify",
        request(signature_name="classify_scores", context={"x": 10.0}, examples=[{}]),
        {"results": [[["", 7.0]]]},
    ),
    ("echo:regress", request(signature_name="regress", examples=[{"x": 80.0}]), {"results": [42.0]}),
    (
        "echo/versions/3:regress",
        request(signature_name="regress", examples=[{"x": 80.0}]),
        {"results": [42.0]},
    ),
]


@pytest.mark.parametrize(("path", "body", "expected"), ANSWERED)
def test_requests_that_are_answered(echo: Served, path: str, body: Any, expected: Any) -> None:
    answer = echo.post(f"/v1/models/{path}", body)
    assert answer.status == 200, answer
    assert answer.json == expected
    assert answer.headers["content-type"] == "application/json"


def test_numbers_that_are_not_finite_travel_both_ways(echo: Served) -> None:
    body = b'{"signature_name": "double", "instances": [NaN, Infinity, -Infinity, 1]}'
    answer = echo.post("/v1/models/echo:predict", body)
    assert answer.body == b'{"predictions": [NaN, Infinity, -Infinity, 1.0]}'


def test_text_that_is_no_utf8_is_refused(echo: Served) -> None:
    answer = echo.post("/v1/models/echo:predict", b'{"signature_name": "text", "instances": ["\xff"]}')
    assert answer.status == 400
    assert "JSON Parse error: Invalid encoding in string" in answer.error and "offset: 42" in answer.error


def test_a_compressed_body_is_read_within_the_limit(echo: Served) -> None:
    headers = {"content-encoding": "gzip"}
    packed = gzip.compress(b'{"instances": [1.0]}')
    answer = echo.request("POST", "/v1/models/echo:predict", packed, headers=headers)
    assert answer.json == {"predictions": [2.5]}
    bomb = gzip.compress(b" " * 200_000_000)
    assert len(bomb) < 250_000
    assert echo.request("POST", "/v1/models/echo:predict", bomb, headers=headers).status == 413
    assert echo.request("POST", "/v1/models/echo:predict", packed[:-9], headers=headers).status == 400


def state(version: int) -> dict[str, Any]:
    return {
        "version": str(version),
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }


@pytest.mark.parametrize(
    ("path", "versions"),
    [("echo", [3, 1]), ("echo/versions/1", [1]), ("echo/versions/3", [3]), ("echo/labels/stable", [3, 1])],
)
def test_status(echo: Served, path: str, versions: list[int]) -> None:
    answer = echo.get(f"/v1/models/{path}")
    assert answer.status == 200
    assert answer.json == {"model_version_status": [state(version) for version in versions]}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("foo", "Could not find any versions of model foo"),
        ("foo/versions/1", "Could not find version 1 of model foo"),
        ("echo/versions/2", "Could not find version 2 of model echo"),
        ("foo/metadata", "Servable not found for request: Latest(foo)"),
        ("echo/versions/2/metadata", "Servable not found for request: Specific(echo, 2)"),
    ],
)
def test_status_of_what_is_not_there(echo: Served, path: str, text: str) -> None:
    answer = echo.get(f"/v1/models/{path}")
    assert (answer.status, answer.error) == (404, text)


def test_metadata_describes_every_signature(echo: Served) -> None:
    document = echo.get("/v1/models/echo/versions/1/metadata").json
    assert document["model_spec"] == {"name": "echo", "signature_name": "", "version": "1"}
    assert echo.get("/v1/models/echo/metadata").json["model_spec"]["version"] == "3"
    signatures = document["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "integers", "__saved_model_init_op"} <= signatures.keys()
    default = signatures["serving_default"]
    assert default["inputs"]["x"].pop("name").startswith("serving_default_x")
    assert default["inputs"] == {
        "x": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        }
    }
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["defaults"] == {}


def png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_contracts_signatures_agree(digits: Served) -> None:
    side = serving_models.SIDE
    pixels = np.random.default_rng(1).integers(0, 256, (3, side, side), np.uint8)
    rows = pixels[..., None].tolist()
    images = [{"b64": png(image)} for image in pixels]
    floats = digits.post("/v1/models/digits:predict", {"instances": rows}).json["predictions"]
    assert floats[0].keys() == {"probabilities", "class_id", "label", "confidence", "real_score", "abstain"}
    expected = serving_models.SmallClassifier().answers(pixels[..., None].astype(np.float32))
    for index, row in enumerate(floats):
        np.testing.assert_allclose(row["probabilities"], expected["probabilities"][index], atol=1e-6)
        assert row["label"] == serving_models.CLASS_NAMES[row["class_id"]]
    for body in (
        {"signature_name": "serving_uint8", "instances": rows},
        {"signature_name": "serving_bytes", "instances": images},
        {"signature_name": "serving_bytes", "instances": [{"image_bytes": image} for image in images]},
    ):
        assert digits.post("/v1/models/digits:predict", body).json["predictions"] == floats
    examples = [{"image/encoded": image} for image in images]
    results = digits.post(
        "/v1/models/digits:classify", {"signature_name": "classify", "examples": examples}
    ).json
    assert [[score for _, score in row] for row in results["results"]] == [
        row["probabilities"] for row in floats
    ]
    assert [name for name, _ in results["results"][0]] == list(serving_models.CLASS_NAMES)
    # as TensorFlow Serving: the default signature has six outputs, and none of the examples kind
    refused = digits.post("/v1/models/digits:classify", {"examples": examples})
    assert (refused.status, refused.error) == (400, "Expected one or two output Tensors, found 6")
    refused = digits.post("/v1/models/digits:regress", {"signature_name": "classify", "examples": examples})
    assert (refused.status, refused.error) == (400, "Expected one output Tensor, found 2")


def test_bytes_that_are_no_example_are_the_clients_mistake(digits: Served) -> None:
    # quoted in TensorFlow's message, they are no UTF-8
    body = {"signature_name": "classify", "instances": [{"b64": base64.b64encode(b"\x96Z\x0e\xc7").decode()}]}
    answer = digits.post("/v1/models/digits:predict", body)
    assert answer.status == 400 and "example" in answer.error


def test_a_generator_is_served_beside_it(digits: Served) -> None:
    body = {"signature_name": "sample", "inputs": {"count": 3, "seed": 5}}
    first = digits.post("/v1/models/samples:predict", body).json["outputs"]
    assert np.array(first).shape == (3, serving_models.SIDE, serving_models.SIDE, 1)
    assert digits.post("/v1/models/samples:predict", body).json["outputs"] == first
    rows = digits.post("/v1/models/samples:predict", {"instances": [[0, 0, 0, 0]]}).json["predictions"]
    assert np.array(rows).shape == (1, serving_models.SIDE, serving_models.SIDE, 1)


def test_health_and_description(digits: Served) -> None:
    assert digits.get("/healthz").json == {"status": "ok"}
    assert digits.get("/readyz").json == {"status": "ready"}
    document = digits.get("/openapi.json").json
    assert document["openapi"].startswith("3.")
    assert "/v1/models/{model}/versions/{version}:predict" in document["paths"]
    assert digits.get("/nothing").status == 404
    assert digits.request("POST", "/healthz", b"").status == 405
    about = digits.get("/about.json").json
    assert about["class_names"] == list(serving_models.CLASS_NAMES)
    assert about["generator"]["signatures"]["sample"] == {"count": None, "seed": None}


def test_measurements_have_tensorflow_servings_names(echo: Served) -> None:
    def read() -> dict[str, float]:
        text = echo.get("/monitoring/prometheus/metrics").body.decode()
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    good = ':tensorflow:serving:request_count{model_name="echo",status="OK"}'
    bad = ':tensorflow:serving:request_count{model_name="echo",status="INVALID_ARGUMENT"}'
    latency = ':tensorflow:serving:request_latency_count{API="predict",entrypoint="REST",model_name="echo"}'
    unknown = ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"}'
    echo.post("/v1/models/echo:predict", {"instances": [1]})
    before = read()
    for _ in range(3):
        echo.post("/v1/models/echo:predict", {"instances": [1]})
    echo.post("/v1/models/echo:predict", {"instances": ["a"]})
    echo.post("/v1/models/never-seen:predict", {"instances": ["a"]})
    after = read()
    assert after[good] - before[good] == 3
    assert after[bad] - before.get(bad, 0) == 1
    assert after[latency] - before[latency] == 3
    assert after[unknown] - before.get(unknown, 0) == 1
    assert not any("never-seen" in name for name in after)
    assert after["ganpipe_serving_batch_rows_count"] > 0
    assert after["ganpipe_serving_queue_requests"] == 0
    assert after["ganpipe_serving_body_bytes"] == 0
    assert after["ganpipe_serving_versions"] == 2


def test_ready_soon_and_small(digits: Served) -> None:
    # generous, because tests share the machine; the benchmark measures it
    assert digits.seconds_to_ready < 20
    assert digits.memory < 900e6
    assert json.loads(digits.get("/healthz").body)
