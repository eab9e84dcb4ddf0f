"""Requests that share a call of the model: the same answers, and no neighbour's mistake."""

from __future__ import annotations

import base64
import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import serving_models
import tensorflow as tf
from serving_fixtures import Served, serving

PREDICT = "/v1/models/digits:predict"
RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.integers(0, 256, (200, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    """What the module itself says, all images in one call, without any server."""
    return {name: value.numpy() for name, value in serving_models.SmallClassifier().answers(IMAGES).items()}


def check(rows: list[dict], first: int, expected: dict[str, np.ndarray]) -> None:
    for index, row in enumerate(rows, first):
        np.testing.assert_allclose(row["probabilities"], expected["probabilities"][index], atol=1e-5, rtol=0)
        np.testing.assert_allclose(row["real_score"], expected["real_score"][index], atol=1e-5, rtol=0)
        assert row["class_id"] == expected["class_id"][index]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 63, 64, 65, 200])
def test_answers_do_not_depend_on_the_requests_size(digits: Served, size: int, expected: dict) -> None:
    answer = digits.post(PREDICT, {"instances": IMAGES[:size].tolist()})
    assert answer.status == 200
    check(answer.json["predictions"], 0, expected)


def test_answers_do_not_depend_on_the_neighbours(digits: Served, expected: dict) -> None:
    def ask(index: int) -> list[dict]:
        connection = http.client.HTTPConnection("127.0.0.1", digits.port, timeout=30)
        connection.request("POST", PREDICT, json.dumps({"instances": IMAGES[index : index + 1].tolist()}))
        return json.loads(connection.getresponse().read())["predictions"]

    def batches() -> float:
        text = digits.get("/monitoring/prometheus/metrics").body.decode()
        return float(
            next(line for line in text.splitlines() if line.startswith("ganpipe_serving_batch_rows_count"))[
                32:
            ]
        )

    before = batches()
    with ThreadPoolExecutor(32) as pool:
        for index, rows in enumerate(pool.map(ask, range(len(IMAGES)))):
            check(rows, index, expected)
    assert batches() - before < len(IMAGES), "nothing was batched"


def test_signatures_and_shapes_are_not_mixed(digits: Served, expected: dict) -> None:
    pngs = [
        base64.b64encode(tf.io.encode_png(image.astype(np.uint8)).numpy()).decode() for image in IMAGES[:40]
    ]

    def ask(index: int) -> tuple[int, list[dict]]:
        if index % 2:
            body = {"signature_name": "serving_bytes", "instances": [{"b64": pngs[index]}]}
        else:
            body = {
                "signature_name": "serving_uint8",
                "instances": IMAGES[index : index + 1].astype(int).tolist(),
            }
        return index, digits.post(PREDICT, body).json["predictions"]

    with ThreadPoolExecutor(16) as pool:
        for index, rows in pool.map(ask, range(40)):
            check(rows, index, expected)


def test_a_bad_image_fails_alone(digits: Served, expected: dict) -> None:
    good = base64.b64encode(tf.io.encode_png(IMAGES[0].astype(np.uint8)).numpy()).decode()
    # a good header, so that only the decoder finds the fault
    bad = base64.b64encode(base64.b64decode(good)[:40]).decode()

    def ask(index: int) -> tuple[int, object]:
        image = bad if index % 8 == 3 else good
        return index, digits.post(PREDICT, {"signature_name": "serving_bytes", "instances": [{"b64": image}]})

    with ThreadPoolExecutor(16) as pool:
        for index, answer in pool.map(ask, range(64)):
            if index % 8 == 3:
                assert answer.status == 400 and answer.error
            else:
                check(answer.json["predictions"], 0, {name: value[:1] for name, value in expected.items()})


def test_a_full_queue_says_so_and_recovers(model_root) -> None:
    body = {"instances": IMAGES.tolist()}
    with serving(model_root / "digits", max_queue=2, max_batch=1) as server:
        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(lambda _: server.post(PREDICT, body), range(48)))
        codes = {answer.status for answer in answers}
        assert codes == {200, 503}
        refused = next(answer for answer in answers if answer.status == 503)
        assert "queue to which this task was submitted is full" in refused.error
        assert refused.headers["retry-after"] == "1"
        assert server.post(PREDICT, {"instances": IMAGES[:1].tolist()}).status == 200
