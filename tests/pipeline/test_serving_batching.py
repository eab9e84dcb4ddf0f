"""Requests that share a call of the model: the same answers, and no neighbour's mistake."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import serving_models
import tensorflow as tf
from serving_fixtures import Served, serving

from pipeline.serving.metrics import Metrics
from pipeline.serving.models.batcher import Batcher
from pipeline.serving.models.model import Model
from pipeline.serving.models.signature import Signature
from pipeline.serving.status import ServingError

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


def test_a_bad_image_fails_alone(model_root: Path) -> None:
    """All are queued before the worker can take a second batch, so that they share one."""
    model = Model("digits", 1, model_root / "digits" / "1")
    signature = model.signature("serving_bytes")
    good = [tf.io.encode_png(image.astype(np.uint8)).numpy() for image in IMAGES[:12]]
    sent = [*good[:5], good[5][:40], *good[6:]]
    metrics = Metrics()

    async def ask() -> list:
        batcher = Batcher(max_rows=64, max_queue=100, max_cost=10**9, metrics=metrics)
        batcher.start()
        futures = [batcher.submit(model, signature, {"image_bytes": np.array([one], object)}) for one in sent]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert batcher.pending == 0
        await batcher.stop()
        return results

    results = asyncio.run(ask())
    expected = model.run(signature, {"image_bytes": np.array(good, object)})
    for index, result in enumerate(results):
        if index == 5:
            assert isinstance(result, ServingError) and result.code == "INVALID_ARGUMENT"
        else:
            np.testing.assert_allclose(
                result["probabilities"][0], expected["probabilities"][index], atol=1e-5
            )
    # rows over all calls: 12 and again those that had shared the bad one's call
    assert f"ganpipe_serving_batch_rows_sum {len(sent)}.0" not in metrics.page().decode()


def test_a_large_request_is_computed_in_parts(model_root: Path) -> None:
    model = Model("digits", 1, model_root / "digits" / "1")
    signature = model.signature("")
    calls: list[int] = []
    run = model.run

    def counting(signature: Signature, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(inputs["image"]))
        return run(signature, inputs)

    model.run = counting

    async def ask(rows: int, costs: list[int]) -> dict[str, np.ndarray]:
        batcher = Batcher(max_rows=64, max_queue=100, max_cost=1000, metrics=Metrics())
        batcher.start()
        result = await batcher.submit(model, signature, {"image": IMAGES[:rows]}, costs)
        await batcher.stop()
        return result

    expected = run(signature, {"image": IMAGES})["probabilities"]
    np.testing.assert_allclose(asyncio.run(ask(200, []))["probabilities"], expected, atol=1e-5)
    assert calls == [64, 64, 64, 8]
    calls.clear()
    # pixels count too: 400 and 400 fit into 1000, a third does not
    np.testing.assert_allclose(asyncio.run(ask(5, [400] * 5))["probabilities"], expected[:5], atol=1e-5)
    assert calls == [2, 2, 1]


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


def test_what_a_client_that_left_asked_is_not_computed(model_root: Path) -> None:
    model = Model("digits", 1, model_root / "digits" / "1")
    signature = model.signature("")
    run, calls, running, go_on = model.run, [], threading.Event(), threading.Event()

    def slow(signature: Signature, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(inputs["image"]))
        running.set()
        assert go_on.wait(10)
        return run(signature, inputs)

    model.run = slow

    async def ask() -> None:
        batcher = Batcher(max_rows=64, max_queue=100, max_cost=1, metrics=Metrics())
        batcher.start()
        first = batcher.submit(model, signature, {"image": IMAGES[:1]})
        await asyncio.to_thread(running.wait)
        left = [batcher.submit(model, signature, {"image": IMAGES[:5]}) for _ in range(3)]
        stays = batcher.submit(model, signature, {"image": IMAGES[:2]})
        for future in left:
            future.cancel()
        go_on.set()
        assert len((await first)["class_id"]) == 1 and len((await stays)["class_id"]) == 2
        await batcher.stop()
        await asyncio.sleep(0)
        assert batcher.pending == 0

    asyncio.run(ask())
    assert calls == [1, 2]


def test_each_signature_says_itself_what_its_text_may_hold(model_root: Path) -> None:
    model = Model("digits", 1, model_root / "digits" / "1")
    found = {name: (item.decodes_images, item.parses_examples) for name, item in model.signatures.items()}
    assert found["serving_default"] == (False, False)
    assert found["serving_bytes"] == (True, False)
    assert found["classify"] == (True, True)
