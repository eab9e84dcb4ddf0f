"""The export stage: what it leaves is checked, complete and loadable; what fails leaves nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import export_fixtures
import numpy as np
import pytest
import tensorflow as tf

from pipeline.chain.config import RunConfig
from pipeline.errors import DataError, GateRefused, UsageError
from pipeline.exported.layout import WARMUP_FILE
from pipeline.exported.prediction_log import Request, prediction_log, read_requests, write_requests
from pipeline.stages.export import check
from pipeline.stages.export import stage as export
from pipeline.stages.export.check_cases import classifier_cases
from pipeline.stages.export.settings import ExportConfig
from pipeline.terminal import Terminal
from ssgan_tf.declare import build
from ssgan_tf.savedmodel import weights_digest
from ssgan_tf.training.trained import load_trained


def run(model: Path, data: Path, output: Path, config: ExportConfig | None = None) -> dict:
    output.mkdir(exist_ok=True)
    return export.run(
        config or ExportConfig(check_images=4),
        model=model,
        data=data,
        metrics=None,
        output=output,
        terminal=Terminal(quiet=True),
    )


@pytest.fixture
def checked_here(monkeypatch):
    """Exports are loaded in this process: that a fresh one is asked, the tests without this show."""
    monkeypatch.setattr(check, "_run_afresh", check._main)


def test_the_export_answers_as_the_trained_model(exported, trained_digits, digit_test_images):
    folder, summary = exported
    trained = load_trained(trained_digits)
    logits = trained.system.class_logits(trained.networks, tf.constant(digit_test_images))
    model = tf.saved_model.load(str(folder / summary["classifier"]["path"]))
    answers = model.signatures["serving_uint8"](image=tf.constant(digit_test_images))
    np.testing.assert_allclose(answers["probabilities"], tf.nn.softmax(logits), atol=1e-5)
    # learned something: otherwise equal answers would say little
    assert np.ptp(answers["probabilities"].numpy(), axis=0).max() > 0.5


def test_only_numbered_versions_lie_in_the_served_folders(exported):
    folder, summary = exported
    assert summary["classifier"]["path"] == "classifier/3"
    assert summary["generator"]["path"] == "generator/3"
    for kind in ("classifier", "generator"):
        assert [path.name for path in (folder / kind).iterdir()] == ["3"]
    assert sorted(path.name for path in folder.iterdir()) == ["classifier", "generator"]


def test_the_summary_is_true(exported, trained_digits):
    folder, summary = exported
    trained = load_trained(trained_digits)
    for kind, network in (("classifier", "discriminator"), ("generator", "generator")):
        found = summary[kind]
        assert found["parameters"] == trained.networks[network].count_params()
        assert found["variable_bytes"] <= 1.1 * 4 * found["parameters"] + 4096
        assert found["weights_sha256"] == weights_digest(trained.networks[network])
        assert 0 <= max(found["max_difference"].values()) <= 1e-5
    assert set(summary["classifier"]["max_difference"]) == {
        "serving_default",
        "serving_uint8",
        "serving_bytes",
        "classify",
        "features",
        "features_bytes",
    }


def test_warm_up_asks_for_every_signature_once(exported):
    folder, summary = exported
    for kind in ("classifier", "generator"):
        version = folder / summary[kind]["path"]
        model = tf.saved_model.load(str(version))
        requests = list(read_requests(version / WARMUP_FILE))
        assert sorted(request.signature for request in requests) == sorted(model.signatures)
        for request in requests:
            tensors = {name: tf.constant(value) for name, value in request.inputs.items()}
            answers = model.signatures[request.signature](**tensors)
            assert all(len(value) == 1 for value in answers.values())


def test_the_card_tells_data_figures_and_digest(exported):
    folder, summary = exported
    card = (folder / "classifier" / "3" / "assets.extra" / "README.md").read_text()
    for text in (
        "recipe ssgan",
        "60 steps",
        "400 images, 400 of them labelled",
        "digit 9",
        "| error | 0.125 |",
        "0.08 to 0.19",
        "width: 0.0625",
        "batch_statistics: moving",
        "records: 8 x 8 x 1, of files by resize=fill, background 255",
        summary["classifier"]["weights_sha256"],
        "serving_bytes",
    ):
        assert text in card
    of_generator = (folder / "generator" / "3" / "assets.extra" / "README.md").read_text()
    assert "`z` float32" in of_generator and "batch_statistics" not in of_generator


def test_prediction_log_has_tensorflow_servings_bytes():
    """Field by field: PredictionLog.6, PredictLog.1, PredictRequest.1 and .2, ModelSpec.1 and .3."""

    def field(number: int, payload: bytes) -> bytes:
        return bytes([number << 3 | 2, len(payload)]) + payload

    tensor = tf.make_tensor_proto(np.array([[1.0, 2.0]], np.float32)).SerializeToString()
    spec = field(1, b"m") + field(3, b"s")
    request = field(1, spec) + field(2, field(1, b"image") + field(2, tensor))
    expected = field(6, field(1, request))
    assert prediction_log("m", "s", {"image": np.array([[1.0, 2.0]], np.float32)}) == expected


def test_requests_survive_the_file(tmp_path):
    requests = [
        Request("a", {"x": np.arange(6, dtype=np.uint8).reshape(1, 6), "y": np.array(3, np.int32)}),
        Request("b", {"s": np.array([b"\x00\xff", b""], object)}),
    ]
    write_requests(tmp_path / "deep" / "file", "name", requests)
    for request, back in zip(requests, read_requests(tmp_path / "deep" / "file"), strict=True):
        assert back.signature == request.signature
        assert set(back.inputs) == set(request.inputs)
        for name, value in request.inputs.items():
            assert back.inputs[name].dtype == value.dtype
            np.testing.assert_array_equal(back.inputs[name], value)


def test_another_models_answers_are_refused(exported, trained_digits, digit_test_images, checked_here):
    trained = load_trained(trained_digits)
    weights = trained.networks["discriminator"].trainable_variables[-2]
    weights.assign(weights * 1.01)
    cases = classifier_cases(trained.system, trained.networks, digit_test_images[:4], 1.0)
    with pytest.raises(GateRefused, match="of serving_default differs by"):
        check.check_savedmodels({exported[0] / "classifier" / "3": cases})


def test_a_warm_up_that_fails_is_refused(exported_copy, trained_digits, digit_test_images):
    folder = exported_copy / "classifier" / "3"
    write_requests(folder / WARMUP_FILE, "x", [Request("serving_default", {"picture": np.zeros(1)})])
    trained = load_trained(trained_digits)
    cases = classifier_cases(trained.system, trained.networks, digit_test_images[:2], 1.0)
    with pytest.raises(GateRefused, match="cannot be used in a fresh process"):
        check.check_savedmodels({folder: cases})


def test_nan_does_not_pass_the_comparison():
    case = check_case(np.array([1.0]))
    with pytest.raises(GateRefused, match="nan"):
        check._differences([case], {"0/probabilities": np.array([np.nan])})
    with pytest.raises(GateRefused, match="inf"):
        check._differences([case], {"0/probabilities": np.array([1.0, 1.0])})
    assert check._differences([case], {"0/probabilities": np.array([1.0 + 5e-6])})["s"] < 1e-5


def check_case(expected: np.ndarray):
    from pipeline.stages.export.check_cases import Case

    return Case(Request("s", {}), {"probabilities": expected})


def test_a_refused_export_leaves_nothing(prepared_digits, trained_digits, tmp_path, monkeypatch):
    # a fresh process that fails at once
    monkeypatch.setattr(check.sys, "executable", shutil.which("false"))
    with pytest.raises(GateRefused, match="cannot be used in a fresh process.*Nothing was published"):
        run(trained_digits, prepared_digits, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_system_without_classifier_exports_the_generator_alone(prepared_digits, tmp_path, checked_here):
    loop = export_fixtures.untrained(tmp_path / "model", "gan", shape=(8, 8, 1))
    loop.checkpoints.save(1)
    summary = run(tmp_path / "model", prepared_digits, tmp_path / "out")
    assert set(summary) == {"version", "versions", "generator"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["generator"]


def test_a_baseline_exports_the_classifier_alone(prepared_digits, tmp_path, checked_here):
    loop = export_fixtures.untrained(tmp_path / "model", "supervised", width=0.0625)
    loop.checkpoints.save(1)
    summary = run(tmp_path / "model", prepared_digits, tmp_path / "out")
    assert set(summary) == {"version", "versions", "classifier"}


def test_data_of_another_shape_are_refused(prepared_digits, trained_digits, tmp_path):
    data = Path(shutil.copytree(prepared_digits, tmp_path / "data"))
    document = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**document, "image_shape": [9, 8, 1]}))
    with pytest.raises(DataError, match=r"trained on images \[8, 8, 1\].*has \[9, 8, 1\]"):
        run(trained_digits, data, tmp_path / "out")
    (data / "dataset.json").write_text(json.dumps({**document, "resize": "fit"}))
    with pytest.raises(
        DataError, match="made by resize=fill with background 255; those .* by resize=fit with"
    ):
        run(trained_digits, data, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_missing_model_is_one_message(prepared_digits, tmp_path):
    with pytest.raises(DataError, match="is not a trained model"):
        run(tmp_path, prepared_digits, tmp_path / "out")


@pytest.mark.parametrize("value", ["", "tflite,", "tfjs", "SavedModel"])
def test_unknown_formats_are_refused(value):
    with pytest.raises(UsageError, match=r"export\.format must be a list of savedmodel"):
        build(RunConfig, {"export": {"format": value}})


@pytest.mark.parametrize(("name", "value"), [("temperature", 0.0), ("abstain_below", 1.5)])
def test_constants_out_of_range_are_refused(name, value):
    with pytest.raises(UsageError, match=name):
        build(RunConfig, {"export": {name: value}})
    assert {field.name for field in dataclasses.fields(ExportConfig)} >= {name}
