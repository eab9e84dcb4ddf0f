"""A server's log of inputs: opt-in, bounded, features only, and of the model that saw them."""

from __future__ import annotations

import json
import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from serving_fixtures import serving
from test_monitor import monitor

from pipeline.errors import DataError
from pipeline.exported.inputs_log import MOST, read_columns
from pipeline.serving import inputs_log
from pipeline.serving.inputs_log import InputsLog


def ask(port, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models/classifier:predict", json.dumps(body).encode()
    )
    return json.load(urllib.request.urlopen(request))["predictions"]


def test_what_is_asked_about_is_seen_and_no_pixel_kept(exported, digit_test_images, tmp_path, monkeypatch):
    monkeypatch.setattr(inputs_log, "LOOKS_APART", 0.0)
    file, version = tmp_path / "seen.npz", exported[0] / "classifier" / "3"
    with serving(exported[0] / "classifier", inputs_log=str(file)) as server:
        with pytest.raises(DataError, match="holds no image yet"):
            read_columns(file, version)
        answers = []
        for start in range(0, 40, 8):
            part = digit_test_images[start : start + 8]
            answers += ask(server.port, {"instances": part.tolist()})
            # one look at a time: the next request comes when it is over
            time.sleep(0.15)
        assert "features" not in answers[0] and 0 < answers[0]["looks_familiar"] <= 1
    seen = read_columns(file, version)
    images = tf.constant(digit_test_images[:40], tf.float32)
    wanted = tf.saved_model.load(str(version)).signatures["features"](image=images)
    assert set(seen) == {"features", "confidence", "class_id", "looks_familiar"}
    assert 30 <= len(seen["features"]) <= 40
    # every row is one of those that were asked about
    distance = np.abs(seen["features"][:, None] - wanted["features"].numpy()[None]).max(-1)
    assert distance.min(1).max() < 1e-4
    assert json.loads(monitor("--inputs-log", file, "--model", version, "--json").stdout)["images"] >= 30


def test_it_is_bounded_and_cannot_be_a_folder(tmp_path):
    log = InputsLog(tmp_path / "seen.npz", "classifier")
    log._rows.extend((number,) for number in range(MOST + 50))
    assert len(log._rows) == MOST
    with pytest.raises(DataError, match="it is a folder"):
        InputsLog(tmp_path, "classifier")
    with pytest.raises(DataError, match="cannot write"):
        InputsLog(tmp_path / "seen.npz" / "below.npz", "classifier")
