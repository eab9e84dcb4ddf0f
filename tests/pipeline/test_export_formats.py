"""LiteRT and ONNX forms answer as the SavedModel they come from."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import DataError, GateRefused, UsageError
from pipeline.exported.layout import LITE_FILE, LITE_INT8_FILE, ONNX_FILE, PIXELS_FILE
from pipeline.exported.lite_model import LiteModel, read_framing, write_framing
from pipeline.stages.export import converters
from ssgan_tf.framing import Framing


def savedmodel_answers(folder, images):
    model = tf.saved_model.load(str(folder))
    outputs = model.signatures["serving_uint8"](image=tf.constant(images))
    return {name: value.numpy() for name, value in outputs.items()}


def test_litert_answers_as_the_savedmodel(exported, digit_test_images):
    folder = exported[0] / "classifier" / "3"
    expected = savedmodel_answers(folder, digit_test_images)
    for count in (1, len(digit_test_images)):
        answers = LiteModel(folder / LITE_FILE)(digit_test_images[:count])
        assert set(answers) == set(converters.NUMERIC_OUTPUTS)
        for name in ("probabilities", "confidence", "real_score"):
            np.testing.assert_allclose(answers[name], expected[name][:count], atol=1e-5)
        np.testing.assert_array_equal(answers["class_id"], expected["class_id"][:count])


def test_int8_weights_are_smaller_and_nearly_right(exported, digit_test_images):
    folder, summary = exported
    version = folder / "classifier" / "3"
    found = summary["classifier"]["tflite"]
    assert found["classifier_int8.tflite"]["bytes"] < 0.6 * found["classifier.tflite"]["bytes"]
    expected = savedmodel_answers(version, digit_test_images)
    answers = LiteModel(version / LITE_INT8_FILE)(digit_test_images)
    assert 0 < np.abs(answers["probabilities"] - expected["probabilities"]).mean() < 0.02
    assert (answers["class_id"] == expected["class_id"]).mean() > 0.95


@pytest.mark.skipif(importlib.util.find_spec("tf2onnx") is None, reason="needs ganpipe[onnx]")
@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="needs ganpipe[onnx]")
def test_onnx_answers_as_the_savedmodel(exported_copy, digit_test_images):
    import onnxruntime

    folder = exported_copy / "classifier" / "3"
    found = converters.convert("onnx", folder, digit_test_images[:16])
    assert found["classifier.onnx"]["max_difference"] < 1e-5
    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE))
    assert [item.name for item in session.get_inputs()] == ["image"]
    assert {item.name for item in session.get_outputs()} == set(converters.NUMERIC_OUTPUTS)
    (probabilities,) = session.run(["probabilities"], {"image": digit_test_images.astype(np.float32)})
    expected = savedmodel_answers(folder, digit_test_images)["probabilities"]
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_a_wrong_conversion_is_refused(tmp_path):
    path = tmp_path / "classifier.tflite"
    path.write_bytes(b"x")
    right = {"probabilities": np.full((2, 3), 1 / 3), "real_score": np.ones(2)}
    for wrong in (right["probabilities"] + 1e-3, np.full((2, 3), np.nan)):
        with pytest.raises(GateRefused, match="does not answer as the SavedModel"):
            converters._checked(path, {**right, "probabilities": wrong}, right, quantised=False)
    converters._checked(
        path, {**right, "probabilities": right["probabilities"] + 1e-3}, right, quantised=True
    )


def test_a_converter_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs tf2onnx and onnxruntime: pip install 'ganpipe\[onnx\]'"):
        converters.check_converters(("savedmodel", "onnx"))
    converters.check_converters(("savedmodel", "tflite"))


def test_a_file_that_is_no_litert_model_is_one_message(tmp_path):
    with pytest.raises(DataError, match="there is no LiteRT model"):
        LiteModel(tmp_path / "none.tflite")
    (tmp_path / "bad.tflite").write_bytes(b"not a model at all")
    with pytest.raises(DataError, match="is no LiteRT classifier"):
        LiteModel(tmp_path / "bad.tflite")


def test_how_files_are_framed_travels_beside_a_converted_model(tmp_path):
    # exports that are older than the choice stretched
    assert read_framing(tmp_path) == Framing("stretch", 255)
    for framing in (Framing("fit", 9), Framing("fill", 255)):
        write_framing(tmp_path, framing)
        assert read_framing(tmp_path) == framing
    for text in ("[]", "{", '{"resize": "crop"}', '{"background": 300}', '{"background": "x"}'):
        (tmp_path / PIXELS_FILE).write_text(text)
        with pytest.raises(DataError, match=r"pixels\.json' is damaged: .*Export again"):
            read_framing(tmp_path)
