"""Systems without labels pass through the same stages: samples compared, a generator alone, no baseline."""

import math

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf import points

SHORT = ("--steps", "20", "--set", "evaluate.samples=300", "--set", "train.checkpoint_every=20")


@pytest.fixture(scope="module")
def gan(ganpipe, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("gan") / "run"
    ganpipe("run", "--recipe", "gan", "--workdir", workdir, *SHORT)
    return workdir


def test_evaluation_reports_generator_quality_only(gan, read_json, strays):
    metrics = read_json(gan / "seed-0" / "gan" / "evaluate" / "metrics.json")
    assert "error" not in metrics and metrics["split"] == "test"
    generation = metrics["generation"]
    assert generation["samples"] == 300 and generation["features"] == "judge"
    assert sum(generation["class_histogram"].values()) == pytest.approx(1.0)
    assert len(generation["class_histogram"]) == 10
    assert generation["judge_error"] < 0.15
    # twenty steps make nothing like a digit
    assert generation["frechet_distance"] > 10 * generation["frechet_distance_of_training_images"]
    summary = read_json(gan / "summary.json")
    assert summary["figures"] == {} and summary["generation"]["gan"] == [generation]
    picture = tf.io.decode_png(tf.io.read_file(str(gan / "seed-0" / "gan" / "evaluate" / "samples.png")))
    # four by four, a line between them
    assert picture.shape == (35, 35, 1)
    assert strays(gan) == []
    report = (gan / "report.html").read_text()
    assert "A generator without a classifier" in report and "Where it errs" not in report


def test_export_gives_the_generator_alone(gan):
    export = gan / "seed-0" / "gan" / "export"
    assert not (export / "classifier").exists()
    model = tf.saved_model.load(str(export / "generator" / "1"))
    images = model.signatures["sample"](count=tf.constant(3), seed=tf.constant(1))["images"]
    assert images.shape == (3, 8, 8, 1) and images.dtype == tf.uint8


def test_there_is_no_baseline(gan):
    assert sorted(path.name for path in (gan / "seed-0").iterdir()) == ["data", "gan"]


def test_asking_for_a_classifier_says_why_there_is_none(ganpipe, gan, tmp_path):
    result = ganpipe("train", "--recipe", "supervised", "--set", "recipe.of=gan", "--workdir", gan, code=2)
    assert "semi-supervised" in result.stderr
    image = tmp_path / "digit.png"
    image.write_bytes(tf.io.encode_png(np.zeros([8, 8, 1], np.uint8)).numpy())
    export = gan / "seed-0" / "gan" / "export"
    for model in (export, export / "classifier"):
        assert "trained without labels" in ganpipe("predict", image, "--model", model, code=3).stderr


def test_images_without_any_label(ganpipe, read_json, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, y_train=np.full(120, -1))
    workdir = tmp_path / "run"
    dataset = f"npz:{tmp_path / 'images.npz'}"
    ganpipe("run", "--recipe", "gan", "--dataset", dataset, "--workdir", workdir, *SHORT)
    metrics = read_json(workdir / "seed-0" / "gan" / "evaluate" / "metrics.json")
    # no label, so nothing is held out to compare with and there is no judge
    assert metrics["split"] is None
    assert metrics["generation"] == {}
    (reason,) = metrics["left_out"]
    assert "no real image is held out" in reason
    assert reason in " ".join((workdir / "report.html").read_text().replace("&#39;", "'").split())
    assert (workdir / "seed-0" / "gan" / "evaluate" / "samples.png").is_file()


def test_gaussian(ganpipe, read_json, tmp_path):
    run = ("run", "--recipe", "gaussian", "--workdir", tmp_path / "run", *SHORT)
    assert "dataset=gaussian" in ganpipe(*run, code=2).stderr
    ganpipe(*run, "--dataset", "gaussian")
    folder = tmp_path / "run" / "seed-0" / "gaussian"
    generation = read_json(folder / "evaluate" / "metrics.json")["generation"]
    np.testing.assert_allclose(generation["true_covariance"], points.true_covariance())
    assert {"mean", "true_mean", "covariance"} <= generation.keys()
    for picture in (folder / "evaluate" / "samples.png", folder / "train" / "losses.png"):
        assert tf.io.decode_png(tf.io.read_file(str(picture))).shape[0] > 200
    model = tf.saved_model.load(str(folder / "export" / "generator" / "1"))
    records = model.signatures["sample"](count=tf.constant(5), seed=tf.constant(1))["images"].numpy()
    assert np.isfinite(points.from_records(records)).all()


@pytest.mark.slow
def test_gaussian_arrives(ganpipe, read_json, tmp_path):
    ganpipe(
        "run", "--recipe", "gaussian", "--dataset", "gaussian", "--workdir", tmp_path / "run", "--draws", 5
    )
    generations = read_json(tmp_path / "run" / "summary.json")["generation"]["gaussian"]
    mean = np.mean([generation["mean"] for generation in generations], axis=0)
    covariance = np.mean([generation["covariance"] for generation in generations], axis=0)
    truth = points.true_covariance()
    assert np.abs(mean - points.true_mean()).max() < 0.2
    assert np.linalg.norm(covariance - truth) / np.linalg.norm(truth) < 0.25
    for seed in range(5):
        with np.load(tmp_path / "run" / f"seed-{seed}" / "gaussian" / "train" / "history.npz") as history:
            last_epoch = dict(zip(history["names"].tolist(), history["values"][-125:].mean(0), strict=True))
        for name in ("discriminator/loss", "generator/loss"):
            assert last_epoch[name] == pytest.approx(math.log(2), abs=0.1)
