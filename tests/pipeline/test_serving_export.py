"""The real export behind the real server: training's own answers, over HTTP."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from export_fixtures import CLASSES
from PIL import Image
from serving_fixtures import Served, serving

from ssgan_tf import bitmaps
from ssgan_tf.training.trained import load_trained

README = Path(__file__).parents[2] / "README.md"


def palette_bitmap() -> bytes:
    """A BMP whose pixels are indices of colours."""
    buffer = io.BytesIO()
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(colours).quantize(8).save(buffer, "BMP")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(exported) -> Iterator[Served]:
    """A server of the export and its generator, with the usual limits."""
    folder, summary = exported
    generator = (folder / summary["generator"]["path"]).parent
    classifier = (folder / summary["classifier"]["path"]).parent
    with serving(classifier, name="digits", generator_dir=str(generator)) as one:
        yield one


def test_the_server_answers_as_the_trained_model(
    server: Served, exported, trained_digits, digit_test_images
) -> None:
    trained = load_trained(trained_digits)
    expected = tf.nn.softmax(trained.system.class_logits(trained.networks, tf.constant(digit_test_images)))
    rows = digit_test_images.tolist()
    for signature in ("serving_default", "serving_uint8"):
        body = {"signature_name": signature, "instances": rows}
        answers = server.post("/v1/models/digits:predict", body).json["predictions"]
        got = np.array([answer["probabilities"] for answer in answers])
        np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)
    alone = server.post("/v1/models/digits:predict", {"instances": rows[:1]}).json["predictions"][0]
    np.testing.assert_allclose(alone["probabilities"], expected[0], atol=1e-5, rtol=0)
    about = server.get("/about.json").json
    told = server.get("/v1/models/digits/metadata").json
    assert told["confidence"] == {
        "temperature": 1.0,
        "abstain_below": 0.0,
        "promise": None,
        "label_sets": None,
    }
    assert told["model_spec"]["name"] == "digits" and tuple(about["class_names"]) == CLASSES
    assert about["image_shape"] == list(digit_test_images.shape[1:])
    body = {"signature_name": "sample", "inputs": {"count": 2, "seed": 1}}
    images = server.post(f"/v1/models/{about['generator']['name']}:predict", body).json["outputs"]
    assert np.array(images).ndim == 4
    # what the graph refuses is said in the words of its check
    image = {"b64": base64.b64encode(palette_bitmap()).decode()}
    body = {"signature_name": "serving_bytes", "instances": [image]}
    refused = server.post("/v1/models/digits:predict", body)
    assert (refused.status, refused.error) == (400, bitmaps.REFUSED)


def save_phone_picture(path: Path) -> None:
    """Writes a JPEG of 12 megapixels and 6 to 8 MB, as phones make them."""
    noise = np.random.default_rng(0).integers(0, 90, (3000, 4000, 3), np.uint8)
    slope = np.linspace(0, 160, 4000).astype(np.uint8)[None, :, None]
    Image.fromarray(noise + slope).save(path, quality=88)
    assert 6e6 < path.stat().st_size < 12e6


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_a_phone_picture_goes_through_the_curl_of_the_readme(server: Served, tmp_path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.S)
    [block] = [block for block in blocks if "curl" in block]
    save_phone_picture(tmp_path / "photo.jpg")
    address = "http://127.0.0.1:8501/v1/models/classifier:predict"
    assert address in block
    line = block.replace(address, f"-sS http://127.0.0.1:{server.port}/v1/models/digits:predict")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predictions"][0]["label"] in CLASSES
