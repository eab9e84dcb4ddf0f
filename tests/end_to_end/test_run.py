"""`ganpipe run` from images to a tested, exported classifier, and what a second run does."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.end_to_end.conftest import TINY


def test_leaves_what_it_promises(finished, read_json, strays):
    summary = read_json(finished / "summary.json")
    assert set(summary["figures"]) == {"ssgan", "supervised"}
    for recipe, place in (("ssgan", "ssgan"), ("supervised", "ssgan/supervised")):
        metrics = read_json(finished / "seed-0" / place / "evaluate" / "metrics.json")
        assert summary["figures"][recipe]["errors"][0] == metrics["error"]
        matrix = np.array(metrics["confusion_matrix"])
        assert matrix.shape == (10, 10)
        assert matrix.sum() == metrics["count"] == 359
        assert metrics["error"] == pytest.approx(1 - np.trace(matrix) / matrix.sum())
        assert list((finished / "seed-0" / place / "train").glob("events.*"))
    paired = summary["paired_difference"]["differences"][0]
    errors = {name: figure["errors"][0] for name, figure in summary["figures"].items()}
    assert paired == errors["supervised"] - errors["ssgan"]
    for name in ("classifier", "generator"):
        assert (finished / "seed-0" / "ssgan" / "export" / name / "1" / "saved_model.pb").is_file()
    assert strays(finished) == []


def test_saved_model_answers_with_the_evaluated_probabilities(finished):
    stored = np.load(finished / "seed-0" / "ssgan" / "evaluate" / "predictions.npz")
    model = tf.saved_model.load(str(finished / "seed-0" / "ssgan" / "export" / "classifier" / "1"))
    from pathlib import Path

    from ssgan_tf.records import DatasetInfo, read_split

    split = read_split(DatasetInfo.load(Path(finished / "seed-0" / "data")), "test")
    images = tf.constant(split.images, tf.float32)
    answers = model.signatures["serving_default"](image=images)
    logits = stored["logits"].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers["probabilities"].numpy(), expected, atol=1e-5)
    assert answers["probabilities"].shape[1] == 10  # the fake class is never an answer


def test_second_run_reuses_everything(ganpipe, finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.name == "manifest.json"}
    result = ganpipe("run", "--workdir", finished, "--draws", 2, *TINY)
    assert result.stderr.count("reused") == 12
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_model_is_shipped_only_if_it_is_blessed(ganpipe, finished, tmp_path, read_json):
    """What is required is looked at in the evaluation that is there; nothing is made anew."""
    workdir, served = shutil.copytree(finished, tmp_path / "run"), tmp_path / "served"
    place = ("--workdir", workdir)
    assert "not blessed" in ganpipe("export", *place, "--push", served, code=5).stderr
    refused = ganpipe("evaluate", *place, "--require", "error<=0", "--require", "ece<=1", code=5).stderr
    assert "reused" in refused and "error<=0: it is" in refused
    assert read_json(workdir / "seed-0/ssgan/blessing.json")["blessed"] is False
    assert "error<=0: it is" in ganpipe("export", *place, "--push", served, code=5).stderr
    assert not served.exists()
    said = ganpipe("evaluate", *place, "--require", "error<=1", "--not-worse-than", served).stderr
    assert "reused" in said and "blessed: it may be shipped" in said
    said = ganpipe("export", *place, "--push", served).stderr
    assert "reused" in said and f"pushed to {served / '1'}" in said
    model = tf.saved_model.load(str(served / "1"))
    assert "abstain" in model.signatures["serving_uint8"].structured_outputs
    # as good as itself, though so many images cannot show it to a millionth
    command = ("evaluate", *place, "--require", "error<=1", "--not-worse-than", served)
    assert "359 images were put to both" in ganpipe(*command).stderr
    assert "0 that only the old one" in ganpipe(*command, "--margin", 1e-6, code=5).stderr
    assert "version 1 alone" in ganpipe("rollback", served, code=2).stderr
    said = ganpipe("evaluate", *place, "--require", "errror<=1", code=2).stderr
    assert "Did you mean 'error'" in said


# what the settings that were not given stand for: of the data, of the preset, of the loop
WRITTEN_OUT = (
    *("--labels-per-class", 10, "--image-size", 8, "--channels", 1, "--background", 255),
    *("--batch-size", 64, "--set", "recipe.loss=k_logits", "--set", "train.average_decay=0.999"),
)


def test_explain_says_what_changed(ganpipe, finished):
    for written_out in ((), WRITTEN_OUT):
        same = ganpipe("explain", "--workdir", finished, *written_out, "--json").stdout
        assert all(not entry["reasons"] for entry in json.loads(same))
    more = ganpipe("explain", "--workdir", finished, "--steps", "30", "--json").stdout
    reasons = {entry["node"]: entry["reasons"] for entry in json.loads(more)}
    assert reasons["seed-0/data"] == []
    assert reasons["seed-0/ssgan/train"] == ["setting steps changed: 20 -> 30"]
    assert reasons["seed-0/ssgan/evaluate"] == ["input model changed"]
    assert "input model changed" in reasons["seed-0/ssgan/export"]


def test_force_and_stage_by_stage(ganpipe, finished, tmp_path, read_json):
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir)
    forced = ganpipe("run", "--workdir", workdir, "--draws", 1, "--force", "evaluate")
    assert "changed: draws 2 -> 1" in forced.stderr
    assert forced.stderr.count("reused") == 4
    assert "running (--force evaluate)" in forced.stderr
    # stage commands find the same artifacts by the same fingerprints
    for name in ("preprocess", "train", "evaluate", "export"):
        said = ganpipe(name, "--workdir", workdir).stderr
        assert "reused" in said and "changed" not in said
    metrics = json.loads(ganpipe("evaluate", "--workdir", workdir, "--json", "--quiet").stdout)
    assert metrics == read_json(workdir / "seed-0" / "ssgan" / "evaluate" / "metrics.json")


def test_several_draws_have_an_interval(finished, read_json):
    summary = read_json(finished / "summary.json")
    assert summary["seeds"] == [0, 1]
    figure = summary["figures"]["ssgan"]
    assert figure["interval"][0] <= figure["mean"] <= figure["interval"][1]
    assert figure["mean"] == pytest.approx(sum(figure["errors"]) / 2)
    for figure in summary["figures"].values():
        # with two draws Student's interval is so wide that it leaves the scale
        assert 0 <= figure["interval"][0] < figure["interval"][1] <= 1
    keys = [(finished / f"seed-{seed}" / "data" / "labelled.txt").read_text() for seed in (0, 1)]
    assert keys[0] != keys[1]


def test_config_file_and_json(ganpipe, finished, tmp_path):
    # the file that a run writes repeats it
    again = ganpipe("run", "--workdir", finished, "--config", finished / "config.yaml", "--json", "--quiet")
    assert json.loads(again.stdout)["figures"].keys() == {"ssgan", "supervised"}
    assert again.stderr == ""


def test_the_baseline_is_exported_by_the_command_that_is_offered_and_versions_stay(
    ganpipe, finished, tmp_path, read_json, monkeypatch
):
    from pipeline.stages.export import check

    # the fresh process that answers is another test's
    monkeypatch.setattr(
        check, "check_savedmodels", lambda cases: {folder: {"serving_default": 0.0} for folder in cases}
    )
    workdir = tmp_path / "run"
    shutil.copytree(finished, workdir)
    command = ("export", "--workdir", workdir, "--recipe", "supervised")
    ganpipe(*command)
    versions = workdir / "seed-0" / "ssgan" / "supervised" / "export" / "classifier"
    first = (versions / "1" / "saved_model.pb").read_bytes()
    assert "version 2, beside 1" in ganpipe(*command, "--abstain-below", 0.8).stderr
    assert (versions / "1" / "saved_model.pb").read_bytes() == first
    assert (versions / "2" / "saved_model.pb").read_bytes() != first
    # what was exported with is what the folder goes on with; what it was last run with is another section
    assert "reused" in ganpipe(*command).stderr
    assert "does not change" in ganpipe(*command, "--version", 1, code=2).stderr
    reasons = {
        entry["node"]: entry["reasons"]
        for entry in json.loads(ganpipe("explain", "--workdir", workdir, "--json").stdout)
    }
    assert reasons["seed-0/ssgan/export"] == ["setting abstain_below changed: None -> 0.8"]
    assert not any(reasons[name] for name in reasons if not name.endswith("/export"))
    ganpipe(*command, "--keep", 1)
    assert [path.name for path in versions.iterdir()] == ["2"]
    summary = read_json(finished / "summary.json")
    worse = summary["paired_difference"]["mean"] < 0
    assert (summary["export_baseline"] is not None) == worse
    assert ("To export the baseline" in (finished / "report.html").read_text()) == worse
