"""Files built to hurt: refused or read in little time, by the check in front and by the graph alone."""

from __future__ import annotations

import base64
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
from serving_fixtures import serving

from pipeline.images.decoding import decode
from pipeline.images.rejected import Rejected
from ssgan_tf import savedmodel

ROOT = Path(__file__).resolve().parents[2]


def load_tool():
    spec = importlib.util.spec_from_file_location("hostile_images", ROOT / "tools" / "hostile_images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hostile_images = load_tool()
READ = {
    "png that unpacks",
    "png of many chunks",
    "gif of a large later frame",
    "gif of many frames",
    "gif of a large comment",
    "jpeg of fill",
}
# the graph alone leaves GIF to the code in front of it, and does not count a JPEG's segments
READ_BY_GRAPH = {"png that unpacks", "png of many chunks", "jpeg of fill", "jpeg of segments"}
GRAPH = tf.function(
    lambda values: savedmodel.decoded_records(values, (8, 8, 1)),
    input_signature=[tf.TensorSpec([None], tf.string)],
)


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    return hostile_images.all_bombs()


@pytest.mark.parametrize("name", hostile_images.names())
def test_preprocess_and_the_graph_survive(name, bombs):
    process = psutil.Process()
    memory, started = process.memory_info().rss, time.process_time()
    if name in READ:
        assert decode(bombs[name]).size > 0
    else:
        with pytest.raises(Rejected):
            decode(bombs[name])
    if name in READ_BY_GRAPH:
        assert GRAPH(tf.constant([bombs[name]])).shape == (1, 8, 8, 1)
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            GRAPH(tf.constant([bombs[name]]))
    assert time.process_time() - started < 4
    assert process.memory_info().rss - memory < 1.2e9


def test_the_server_survives_all_of_them(model_root: Path, bombs) -> None:
    good = {"b64": base64.b64encode(tf.io.encode_png(np.zeros((8, 8, 1), np.uint8)).numpy()).decode()}
    path, ask = "/v1/models/digits:predict", {"signature_name": "serving_bytes"}
    with serving(model_root / "digits", max_body_mb=24.0, max_megapixels=16.0) as digits:
        expected = digits.post(path, {**ask, "instances": [good]})
        assert expected.status == 200
        for name, data in bombs.items():
            started = time.monotonic()
            image = {"b64": base64.b64encode(data).decode()}
            answer = digits.post(path, {**ask, "instances": [image]})
            assert answer.status in (200, 400, 413), (name, answer)
            assert time.monotonic() - started < 4, name
            again = digits.post(path, {**ask, "instances": [good]})
            assert again.json == expected.json, name
        assert digits.process.poll() is None


def test_reading_headers_loads_no_decoder():
    code = (
        "import sys; from pipeline.images import headers, conversion, pillow_decoding; "
        "sys.exit(bool({'tensorflow', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
