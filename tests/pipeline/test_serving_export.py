"""The real export behind the real server: training's own answers, over HTTP."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from export_fixtures import CLASSES
from PIL import Image
from serving_fixtures import serving

from ssgan_tf import bitmaps
from ssgan_tf.training.trained import load_trained


def palette_bitmap() -> bytes:
    """A BMP whose pixels are indices of colours."""
    buffer = io.BytesIO()
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(colours).quantize(8).save(buffer, "BMP")
    return buffer.getvalue()


def test_the_server_answers_as_the_trained_model(exported, trained_digits, digit_test_images) -> None:
    folder, summary = exported
    trained = load_trained(trained_digits)
    expected = tf.nn.softmax(trained.system.class_logits(trained.networks, tf.constant(digit_test_images)))
    classifier = (folder / summary["classifier"]["path"]).parent
    generator = (folder / summary["generator"]["path"]).parent
    with serving(Path(classifier), name="digits", generator_dir=str(generator)) as server:
        rows = digit_test_images.tolist()
        for signature in ("serving_default", "serving_uint8"):
            body = {"signature_name": signature, "instances": rows}
            answers = server.post("/v1/models/digits:predict", body).json["predictions"]
            got = np.array([answer["probabilities"] for answer in answers])
            np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)
        alone = server.post("/v1/models/digits:predict", {"instances": rows[:1]}).json["predictions"][0]
        np.testing.assert_allclose(alone["probabilities"], expected[0], atol=1e-5, rtol=0)
        assert tuple(server.get("/about.json").json["class_names"]) == CLASSES
        body = {"signature_name": "sample", "inputs": {"count": 2, "seed": 1}}
        images = server.post(f"/v1/models/{generator.name}:predict", body).json["outputs"]
        assert np.array(images).ndim == 4
        # what the graph refuses is said in the words of its check
        image = {"b64": base64.b64encode(palette_bitmap()).decode()}
        body = {"signature_name": "serving_bytes", "instances": [image]}
        refused = server.post("/v1/models/digits:predict", body)
        assert (refused.status, refused.error) == (400, bitmaps.REFUSED)
