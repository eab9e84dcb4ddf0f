"""The evaluate stage: what is compared with what, what is refused, and that all places show one list."""

import dataclasses
import importlib.util
import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from export_fixtures import digit_images, untrained, write_split

from pipeline.errors import DataError
from pipeline.evaluated import metrics_at
from pipeline.reporting.predictions import picture
from pipeline.sources.source import content_digest
from pipeline.stages.evaluate import stage as evaluate
from pipeline.stages.evaluate.comparison import FEWEST, draw_comparison
from pipeline.stages.evaluate.contents import Contents, read_contents, select
from pipeline.stages.evaluate.generation import affordable
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.terminal import Terminal
from ssgan_tf.metrics import evaluators
from ssgan_tf.metrics.calibration import brier_score
from ssgan_tf.metrics.evaluators.evaluator import Evaluator, Unavailable
from ssgan_tf.metrics.figures import (
    CLASSIFICATION,
    FRACTION,
    GENERATION,
    Figure,
    document,
    how_tested,
    lines,
)
from ssgan_tf.metrics.intervals import share_interval
from ssgan_tf.metrics.probabilities import softmax
from ssgan_tf.metrics.temperature import fit_temperature
from ssgan_tf.records import (
    SCHEMA_VERSION,
    DatasetInfo,
    iterate_labels,
    iterate_records,
    read_split,
    write_records,
)


@pytest.fixture(scope="module")
def evaluated(prepared_digits, trained_digits, tmp_path_factory):
    """An evaluation at temperature 2, without generated images."""
    folder = tmp_path_factory.mktemp("evaluated")
    evaluate.run(
        EvaluateConfig(samples=0, temperature=2.0),
        model=trained_digits,
        data=prepared_digits,
        output=folder,
        terminal=Terminal(quiet=True),
    )
    return folder


@pytest.fixture(scope="module")
def reproduce():
    """The tool that writes the table of results."""
    path = Path(__file__).resolve().parents[2] / "tools" / "reproduce.py"
    spec = importlib.util.spec_from_file_location("reproduce", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(digests, labels):
    return Contents(np.array(digests), np.array(labels, np.int32), np.array(digests))


def sorted_by_class(count, classes, prefix, labelled=True):
    """Contents as a class folder gives them: one class after the other."""
    labels = np.repeat(np.arange(classes), count // classes)
    return contents([f"{prefix}{n}" for n in range(count)], labels if labelled else np.full(count, -1))


def test_a_comparison_takes_all_classes_and_as_many_on_either_side():
    held_out, training = sorted_by_class(2000, 10, "h"), sorted_by_class(6000, 10, "t")
    drawn = draw_comparison(held_out, training, samples=300, seed=0)
    assert len(drawn.real) == len(drawn.training) == 300
    for part, split in ((drawn.real, held_out), (drawn.training, training)):
        # 30 of each class on average; 12 is more than three deviations away
        assert np.bincount(split.labels[part], minlength=10).min() > 12
    again, other = (draw_comparison(held_out, training, 300, seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.real, drawn.real)
    assert set(other.real) != set(drawn.real)
    # the order of the records does not matter
    flipped = contents(held_out.digests[::-1], held_out.labels[::-1])
    assert set(1999 - draw_comparison(flipped, training, 300, 0).real) == set(drawn.real)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("samples", [50, 300, 10_000])
def test_the_judge_learns_from_no_image_that_it_is_asked_about(samples, labelled):
    held_out, training = sorted_by_class(400, 4, "h"), sorted_by_class(900, 4, "t", labelled)
    # every training image stands there three times
    training = contents(np.repeat(training.digests[:300], 3), training.labels)
    drawn = draw_comparison(held_out, training, samples, seed=3)
    for asked, learnt, split in (
        (drawn.real, drawn.judge_held_out, held_out),
        (drawn.training, drawn.judge_training, training),
    ):
        assert not set(split.digests[asked]) & set(split.digests[learnt])
        assert (split.labels[learnt] >= 0).all()
    assert len(drawn.real) == len(drawn.training)
    assert len(drawn.judge_held_out) + len(drawn.judge_training) >= 200


def test_held_out_images_are_all_compared_where_training_has_labels_enough():
    held_out, training = sorted_by_class(1000, 10, "h"), sorted_by_class(20_000, 10, "t")
    drawn = draw_comparison(held_out, training, 10_000, 0)
    assert len(drawn.real) == 1000 and not len(drawn.judge_held_out)


def test_selected_images_come_in_the_order_asked_for(prepared_digits):
    info = DatasetInfo.load(prepared_digits)
    images = read_split(info, "train").images
    positions = np.array([399, 3, 0, 250])
    np.testing.assert_array_equal(select(info, "train", positions), images[positions])


def test_labels_are_read_without_images(prepared_digits):
    info = DatasetInfo.load(prepared_digits)
    split = read_split(info, "train")
    keys, labels, masks = zip(*iterate_labels(info, "train"), strict=True)
    assert list(keys) == split.keys and list(labels) == split.labels.tolist() and set(masks) == {1}


def test_test_images_that_were_trained_on_are_refused(prepared_digits, trained_digits, tmp_path):
    data, output = tmp_path / "data", tmp_path / "out"
    shutil.copytree(prepared_digits, data)
    output.mkdir()
    images, labels = digit_images(550)
    document = json.loads((data / "dataset.json").read_text())
    # three training images among those of the test
    document["splits"]["test"] = write_split(data, "test", images[397:], labels[397:])
    (data / "dataset.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"3 of 153 images of split 'test' .*ganpipe preprocess"):
        evaluate.run(
            EvaluateConfig(samples=0),
            model=trained_digits,
            data=data,
            output=output,
            terminal=Terminal(quiet=True),
        )
    assert list(output.iterdir()) == []


def test_pictures_that_only_look_alike_at_the_records_size_are_counted(
    prepared_digits, trained_digits, tmp_path
):
    data, output = tmp_path / "data", tmp_path / "out"
    shutil.copytree(prepared_digits, data)
    output.mkdir()
    images, labels = digit_images(550)
    document = json.loads((data / "dataset.json").read_text())
    # other keys: of other pixels, before they were made this small
    (shard,) = (about := write_split(data, "test", images[397:], labels[397:]))["shards"]
    records = [
        payload.replace(content_digest(image).encode(), f"{number:032x}".encode())
        for number, (image, (_, payload)) in enumerate(
            zip(images[397:], iterate_records(data / shard["name"]), strict=True)
        )
    ]
    about["shards"] = [write_records(data / shard["name"], records)]
    document["splits"]["test"] = about
    (data / "dataset.json").write_text(json.dumps(document))
    told = io.StringIO()
    metrics = evaluate.run(
        EvaluateConfig(samples=0),
        model=trained_digits,
        data=data,
        output=output,
        terminal=Terminal(told),
    )
    assert (metrics["images_in_training"], metrics["images_like_training"]) == (0, 3)
    assert "3 of 153 images of split test look the same as a training image" in told.getvalue()


def test_figures_are_those_of_the_exported_temperature(evaluated):
    metrics = metrics_at(evaluated)
    stored = np.load(evaluated / "predictions.npz")
    assert metrics["temperature"] == 2.0 and metrics["images_in_training"] == 0
    for found, temperature in ((metrics, 2.0), (metrics_at(evaluated, 0.5), 0.5)):
        expected = brier_score(softmax(stored["logits"], temperature), stored["labels"])
        assert found["brier"] == pytest.approx(expected) and found["temperature"] == temperature
    # an answer is the same at every temperature
    assert metrics_at(evaluated, 0.5)["error"] == metrics["error"]
    assert metrics_at(evaluated, 0.5)["brier"] != metrics["brier"]
    # a digest for every image, the same as that of its pixels
    assert len(set(stored["digests"])) == len(stored["labels"]) == 150


def test_of_few_images_nothing_is_said_but_why(prepared_digits, trained_digits, tmp_path):
    config = EvaluateConfig(samples=FEWEST - 1)
    metrics = evaluate.run(
        config, model=trained_digits, data=prepared_digits, output=tmp_path, terminal=Terminal(quiet=True)
    )
    assert metrics["generation"] == {}
    (sentence,) = metrics["left_out"]
    assert "the distances to real images and the classes of generated images" in sentence
    assert "150 are held out" in sentence and f"fewer than {FEWEST} say nothing" in sentence
    assert (tmp_path / "samples.png").is_file()


def test_evaluators_that_lack_something_are_left_out_with_the_reason():
    class Inputs:
        @property
        def judge(self):
            raise Unavailable("there is none")

        sample_figures = (Figure("mean", [1.0], "mean"),)
        generated = real_features = generated_features = training_features = np.zeros([5, 2])
        kind_of_features = "points"

    figures, left_out = evaluators.evaluate(GENERATION, Inputs())
    assert {"frechet_distance", "mean"} <= {figure.name for figure in figures}
    assert left_out == {"the classes of generated images": "there is none"}


def test_distances_want_sets_of_one_size():
    sizes = dict.fromkeys(("real_features", "generated_features"), np.zeros([5, 2]))
    inputs = SimpleNamespace(
        **sizes, training_features=np.zeros([6, 2]), generated=np.zeros(5), kind_of_features="points"
    )
    with pytest.raises(ValueError, match="one size"):
        list(evaluators.distances.EVALUATOR.compute(**vars(inputs)))


def test_values_stand_once_and_their_descriptions_find_them():
    figures = [
        Figure("error", 0.125, "error", FRACTION, interval=(0.1, 0.2)),
        Figure("matrix", [[1]], "matrix", "table"),
    ]
    values, described = document(CLASSIFICATION, figures)
    assert values == {"error": 0.125, "error_interval": [0.1, 0.2], "matrix": [[1]]}
    (line,) = lines(values | {"figures": described})
    assert line.text == "12.50 % (10.00 % to 20.00 %)"


def test_a_new_metric_appears_in_all_places(
    monkeypatch, prepared_digits, trained_digits, tmp_path, reproduce
):
    """One evaluator more: terminal, metrics.json, model card, the report's values, the table of results."""
    from pipeline.reporting.sections import _trust
    from pipeline.stages.export.model_card import _figures

    def compute(probabilities):
        yield Figure("sharpness", 0.4321, "sharpness", caption="how sharp")

    new = Evaluator("sharpness", CLASSIFICATION, compute)
    monkeypatch.setattr(evaluators, "EVALUATORS", (*evaluators.EVALUATORS, new))
    said = []
    terminal = Terminal(quiet=True)
    monkeypatch.setattr(terminal, "say", lambda text="": said.append(text))
    metrics = evaluate.run(
        EvaluateConfig(samples=0),
        model=trained_digits,
        data=prepared_digits,
        output=tmp_path,
        terminal=terminal,
    )
    assert any("sharpness" in line and "0.4321" in line for line in said)
    assert json.loads((tmp_path / "metrics.json").read_text())["sharpness"] == 0.4321
    assert "| sharpness | 0.4321 |" in _figures(metrics, CLASSIFICATION)
    shown = _trust(tmp_path, metrics, DatasetInfo.load(prepared_digits))["figures"]
    assert ("sharpness", "0.4321", "how sharp") in [(line.title, line.text, line.caption) for line in shown]
    row = {
        "errors": [metrics["error"]],
        "classification": reproduce._classification(metrics),
        "generation": {},
        "figures": metrics["figures"],
        "losses": {},
    }
    assert "sharpness 0.4321" in reproduce.in_words(row)


def test_the_whole_of_a_cross_fitted_draw_is_evaluated_by_its_folds(
    prepared_digits, trained_digits, tmp_path
):
    """Terminal, model card and the report's values say the pooled figures, and how they came about."""
    from pipeline.reporting.sections import _trust
    from pipeline.stages.export.model_card import _figures

    info = DatasetInfo.load(prepared_digits)
    split = read_split(info, "train")
    random, folders = np.random.default_rng(0), []
    for fold in (0, 1):
        own = slice(50 * fold, 50 * fold + 50)
        logits = (4 * np.eye(10)[split.labels[own]] + random.normal(0, 2, (50, 10))).astype(np.float32)
        folders.append(tmp_path / f"fold-{fold}/ssgan/evaluate")
        folders[-1].mkdir(parents=True)
        keys = np.array(split.keys[own])
        answers = {"keys": keys, "digests": keys, "labels": split.labels[own], "logits": logits}
        np.savez(folders[-1] / "predictions.npz", **answers, real_scores=np.zeros(50, np.float32))
        wrong = float((logits.argmax(1) != split.labels[own]).mean())
        said = {"recipe": "ssgan", "error": wrong, "images_like_training": 0}
        named = {"per_class": dict.fromkeys(info.class_names, {})}
        (folders[-1] / "metrics.json").write_text(json.dumps(said | named))
    terminal, shown = Terminal(quiet=True), []
    terminal.say = lambda text="": shown.append(text)
    metrics = evaluate.run(
        EvaluateConfig(samples=0),
        model=trained_digits,
        data=prepared_digits,
        output=tmp_path,
        terminal=terminal,
        folds=folders,
    )
    crossed = metrics["cross_fitted"]
    assert metrics["split"] is None and metrics["count"] == crossed["images"] == 100
    assert metrics["error"] == pytest.approx(sum(crossed["errors"]) / 2) and metrics["wrong"] > 0
    # the same mistakes in half as many images
    assert metrics["error_interval"][1] > share_interval(metrics["wrong"] / 2, 50)[1]
    card = "\n".join(_figures(metrics, CLASSIFICATION))
    for text in ("\n".join(shown), card):
        assert how_tested(crossed) in text and "cross-fitted in 2 folds" in text
    values = _trust(tmp_path, metrics, info)
    assert values["tested_on"] == "on 100 labelled images, cross-fitted in 2 folds"
    assert len(values["mistakes"]) == min(metrics["wrong"], 24)
    picture_of = {key: picture(image) for key, image in zip(split.keys, split.images, strict=True)}
    # the images of the mistakes are found in the training split of the whole
    assert all(mistake.picture == picture_of[mistake.key] for mistake in values["mistakes"])
    at_two = metrics_at(tmp_path, 2.0)
    assert at_two["error_interval"] == metrics["error_interval"] and at_two["brier"] != metrics["brier"]


@pytest.fixture(scope="module")
def set_aside(prepared_digits, tmp_path_factory) -> Path:
    """The prepared data with 200 validation images and 320 set aside for a promise, ten of them twice."""
    folder = Path(shutil.copytree(prepared_digits, tmp_path_factory.mktemp("aside") / "data"))
    images, labels = digit_images(1060)
    document = json.loads((folder / "dataset.json").read_text())
    document["splits"]["validation"] = write_split(folder, "validation", images[550:750], labels[550:750])
    rows = np.r_[750:1060, 750:760]
    document["splits"]["certify"] = write_split(folder, "certify", images[rows], labels[rows])
    (folder / "dataset.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def promising(set_aside, trained_digits, tmp_path_factory) -> Path:
    """An evaluation that is asked for a promise which the model can give."""
    output = tmp_path_factory.mktemp("promising")
    config = EvaluateConfig(samples=0, target_error=0.5, confidence=0.9, alpha=0.2)
    evaluate.run(config, model=trained_digits, data=set_aside, output=output, terminal=Terminal(quiet=True))
    return output


def test_temperature_and_promise_come_from_splits_of_their_own(promising):
    metrics = metrics_at(promising)
    with np.load(promising / "predictions.npz") as stored:
        stored = dict(stored)
    assert [len(stored[f"{name}_labels"]) for name in ("validation", "certify")] == [200, 310]
    temperature = fit_temperature(stored["validation_logits"], stored["validation_labels"])
    assert metrics["temperature"] == temperature != 1
    # neither the labels tested on nor those of the promise have a part in the temperature
    assert "200 validation images" in next(row.caption for row in lines(metrics) if row.name == "temperature")
    promise = metrics["certificate"]
    confidence = softmax(stored["certify_logits"], temperature).max(axis=1)
    accepted = confidence >= promise["threshold"]
    assert promise["state"] == "promised" and promise["checked"] == 310
    wrong = stored["certify_logits"].argmax(1) != stored["certify_labels"]
    assert (promise["answered"], promise["wrong"]) == (accepted.sum(), (accepted & wrong).sum())
    assert promise["error_bound"] <= 0.5 and metrics["promise"] == promise["sentence"]
    assert metrics["label_sets"]["checked"] == 310 and metrics["set_coverage"] > 0.7
    before, after = metrics["calibration_error_before"], metrics["calibration_error"]
    assert after < before and metrics["calibration_error_interval"][0] <= after


def test_at_another_temperature_the_promise_is_made_anew(promising, tmp_path):
    with np.load(promising / "predictions.npz") as stored:
        wrong = (stored["certify_logits"].argmax(1) != stored["certify_labels"]).mean()
    metrics = metrics_at(promising)
    metrics["asked"] |= {"target_error": float(0.7 * wrong)}
    shutil.copy(promising / "predictions.npz", tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    other, softer = metrics_at(tmp_path, 1.0), metrics_at(tmp_path, 3.0)
    assert other["temperature"] == 1 and "calibration_error_before" not in other
    assert other["certificate"]["checked"] == 310
    assert 1 > other["certificate"]["threshold"] > softer["certificate"]["threshold"] > 0
    assert other["promise"] != metrics["promise"]
    assert [line.name for line in lines(other)].count("promise") == 1


def test_without_images_set_aside_there_is_an_estimate_and_no_promise(evaluated, tmp_path):
    metrics = metrics_at(evaluated) | {"asked": {"target_error": 0.2, "confidence": 0.95, "alpha": 0.1}}
    shutil.copy(evaluated / "predictions.npz", tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    found = metrics_at(tmp_path, 1.5)
    assert found["certificate"]["state"] == "estimated" and "no promise" in found["promise"]
    assert "certified_coverage" not in found and found["label_sets"]["lows"] == []
    assert "there are 0" in found["labels_remaining"]


def test_an_image_set_aside_that_is_trained_on_is_refused(set_aside, trained_digits, tmp_path):
    folder = Path(shutil.copytree(set_aside, tmp_path / "data"))
    images, labels = digit_images(401)
    document = json.loads((folder / "dataset.json").read_text())
    document["splits"]["certify"] = write_split(folder, "certify", images[390:401], labels[390:401])
    (folder / "dataset.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="10 of 11 images of split 'certify' are in split 'train' too"):
        evaluate.run(
            EvaluateConfig(samples=0, target_error=0.1),
            model=trained_digits,
            data=folder,
            output=tmp_path,
            terminal=Terminal(quiet=True),
        )


def test_the_trained_images_are_read_block_by_block(prepared_digits):
    info = DatasetInfo.load(prepared_digits)
    found = read_contents(info, "train")
    whole = Contents.of([read_split(info, "train")])
    np.testing.assert_array_equal(found.digests, whole.digests)
    np.testing.assert_array_equal(found.labels, whole.labels)
    assert len(set(found.digests)) == 400


def test_a_generator_needs_no_held_out_split(tmp_path):
    data, model, output = (tmp_path / name for name in ("data", "model", "out"))
    data.mkdir()
    output.mkdir()
    images, labels = digit_images(120)
    document = {
        "schema_version": SCHEMA_VERSION,
        "image_shape": [8, 8, 1],
        "class_names": [f"digit {k}" for k in range(10)],
        "splits": {"train": write_split(data, "train", images, labels)},
    }
    (data / "dataset.json").write_text(json.dumps(document))
    loop = untrained(model, "gan", steps=2, batch_size=8)
    loop.run()
    config = dataclasses.replace(EvaluateConfig(), samples=150)
    metrics = evaluate.run(config, model=model, data=data, output=output, terminal=Terminal(quiet=True))
    assert metrics["split"] is None and "error" not in metrics
    assert "no real image is held out" in metrics["left_out"][0]


def test_of_large_images_as_many_pixels_are_generated_as_of_small_ones():
    assert affordable(10_000, (28, 28, 1)) == affordable(10_000, (64, 64, 3)) == 10_000
    assert affordable(10_000, (224, 224, 3)) == 10_000 * 64**2 // 224**2
    assert affordable(1, (512, 512, 3)) == 1 and affordable(0, (8, 8, 1)) == 0


def test_nothing_is_generated_where_too_few_real_images_are_there_to_compare_with():
    asked = []

    class Few:
        def __getattr__(self, name):
            asked.append(name)
            if name in ("judge", "real_features"):
                raise Unavailable("too few")
            return []

    figures, left_out = evaluators.evaluate(GENERATION, Few())
    assert figures == [] and set(asked) == {"judge", "real_features", "sample_figures"}
    assert set(left_out.values()) == {"too few"}
