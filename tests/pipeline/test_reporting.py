"""What the report says of predictions and of the training files."""

import base64
import dataclasses
import io
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from export_fixtures import write_split
from PIL import Image
from scipy.stats import t

from pipeline.chain.config import load_config
from pipeline.reporting import charts
from pipeline.reporting.label_audit import audit_labels
from pipeline.reporting.paired import (
    disagreement,
    interval_over_draws,
    mistakes_over_draws,
    verdict,
)
from pipeline.reporting.predictions import (
    Predictions,
    data_uri,
    picture,
    surest_mistakes,
)
from pipeline.reporting.report import write_report
from pipeline.reporting.sections import untested
from pipeline.reporting.seen import seen_section
from pipeline.stages.preprocess import stage as preprocess
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal
from pipeline.workspace import Workspace
from ssgan_tf.file_names import VIEWS
from ssgan_tf.metrics.calibration import confidence_bins, risk_coverage
from ssgan_tf.metrics.intervals import share_interval
from ssgan_tf.records import SCHEMA_VERSION, DatasetInfo, iterate_records

NAMES = ("zero", "one", "two")


def predictions(answers, confidence, labels):
    """Answers with a given confidence; the rest goes to the other classes in equal parts."""
    confidence = np.asarray(confidence, np.float64)
    rows = np.repeat((1 - confidence)[:, None] / 2, 3, axis=1)
    rows[np.arange(len(rows)), answers] = confidence
    keys = [f"key {n}" for n in range(len(rows))]
    return Predictions(keys, np.asarray(labels), rows, np.array(keys))


FOUR = predictions([0, 1, 2, 1], [0.95, 0.9, 0.6, 0.99], [0, 2, 2, 0])


def test_surest_mistakes_come_first_with_their_image():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones([1, 5, 4, 3], np.uint8) * 50
    found = surest_mistakes(FOUR, images, NAMES)
    assert [(m.key, m.truth, m.said) for m in found] == [("key 3", "zero", "one"), ("key 1", "two", "one")]
    assert found[0].confidence == pytest.approx(0.99)
    shown = Image.open(io.BytesIO(base64.b64decode(found[0].picture.partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(shown), images[3])
    assert len(surest_mistakes(FOUR, images, NAMES, count=1)) == 1


def test_grey_pictures_keep_their_pixels():
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 1), np.uint8)
    shown = Image.open(io.BytesIO(base64.b64decode(picture(image).partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(shown), image[..., 0])


def test_disagreement_by_hand():
    labels = [0] * 12
    first = predictions([0] * 9 + [1] * 3, [0.9] * 12, labels)
    second = predictions([1] * 8 + [0] * 2 + [1] * 2, [0.9] * 12, labels)
    found = disagreement(first, second)
    # the first alone on 0..7, the second alone on 9; both right on 8, both wrong on 10 and 11
    assert (found.first_only, found.second_only) == (8, 1)
    # of 9 fair coins at least 8 fall on the same side
    assert found.chance == pytest.approx(2 * (math.comb(9, 8) + 1) / 2**9)
    assert disagreement(second, first).chance == pytest.approx(found.chance)
    assert disagreement(first, first).chance == 1.0


def paired(*differences, interval=None, chance=0.5):
    return {
        "baseline": "supervised",
        "differences": list(differences),
        "mean": sum(differences) / len(differences),
        "interval": interval,
        "by_draw": [{"chance": chance}] * len(differences),
    }


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (paired(0.0), "No difference"),
        (
            paired(0.0004, chance=0.665),
            "0.04 points below that of the paired baseline, supervised; the test ",
        ),
        (paired(0.0004, chance=0.665), "cannot tell the two apart (by chance alone in 66.5% of such tests)"),
        (paired(-0.02, chance=0.001), "2.00 points above"),
        (paired(-0.02, chance=0.0004), "can tell the two apart (by chance alone in less than 0.1% of such"),
        (paired(0.03, 0.01, interval=[-0.1, 0.14]), "2.00 points below"),
        (paired(0.03) | {"cross_fitted": True}, "the labelled images, cross-fitted, cannot tell"),
        (paired(0.03, 0.01, interval=[-0.1, 0.14]), "within the noise of the draws"),
        (paired(*[0.03] * 4, interval=[0.01, 0.05]), "4 draws are too few to tell"),
        (paired(*[0.03] * 4, 0.02, interval=[0.01, 0.05]), "more than the noise of the draws"),
        (paired(0.03, 0.0, -0.03, interval=[-0.07, 0.07]), "is that of the paired baseline"),
    ],
)
def test_the_verdict_in_words(figures, words):
    assert words in verdict(figures)


def test_equal_draws_do_not_give_an_interval_without_width():
    # three of 300 images, and the same number in the other draw
    draw = np.zeros(300)
    draw[:3] = 1
    for images in ([np.arange(300)] * 2, [np.arange(300), np.arange(300, 600)]):
        mean, low, high = interval_over_draws([draw, np.roll(draw, 5)], images)
        assert mean == pytest.approx(0.01) and low < 0 < high


def test_cross_fitted_answers_claim_less():
    first = predictions([0] * 20, [0.9] * 20, [0] * 20)
    second = predictions([1] * 7 + [0] * 13, [0.9] * 20, [0] * 20)
    folds = np.arange(20) % 5
    crossed = [dataclasses.replace(one, folds=folds) for one in (first, second)]
    plain, found = disagreement(first, second), disagreement(*crossed)
    assert (found.first_only, found.second_only) == (plain.first_only, plain.second_only) == (7, 0)
    assert plain.chance < found.chance < 0.05
    rows = np.arange(20)[::-1]
    assert disagreement(first, crossed[1].take(rows).take(rows)).chance == found.chance
    # one draw has an interval too, that of its images
    mean, low, high = mistakes_over_draws([second])
    assert (mean, low, high) == pytest.approx((0.35, *share_interval(7, 20)))
    _, crossed_low, crossed_high = mistakes_over_draws([crossed[1]])
    assert crossed_low < low and high < crossed_high
    spans = [mistakes_over_draws([one] * 3)[1:] for one in (second, crossed[1])]
    assert spans[1][0] <= spans[0][0] and spans[0][1] < spans[1][1]


def test_an_image_counts_once_however_many_draws_it_stands_in():
    # the same images answered in the same way: more draws tell nothing new of the images
    draw, images = np.repeat([1.0, -1.0, 0.0], [30, 10, 160]), np.arange(200)
    normal = math.sqrt(draw.var(ddof=1) / 200)
    for draws in (5, 50):
        _, low, high = interval_over_draws([draw] * draws, [images] * draws)
        assert (high - low) / 2 == pytest.approx(t.ppf(0.975, draws - 1) * normal, rel=1e-6)
    # other images in every draw do
    apart = [images + 1000 * number for number in range(50)]
    _, low, high = interval_over_draws([draw] * 50, apart)
    assert (high - low) / 2 < 0.2 * t.ppf(0.975, 49) * normal


def differences_without_a_difference(random, draws, count, same_images, between, of_images, disagreeing):
    """Answers of two models that err equally often over all draws and images: -1, 0 or 1 an image.

    Args:
        random: a generator.
        draws, count: how many draws, and test images in each.
        same_images: whether all draws have the same test images.
        between: deviation of the draws: how far a draw favours one of the models.
        of_images: deviation of the images, likewise.
        disagreeing: share of the images that just one of the models gets right.
    """
    images = [np.arange(count) + (0 if same_images else draw * count) for draw in range(draws)]
    favour = random.normal(0, of_images, draws * count)
    values = []
    for drawn in images:
        lean = np.clip(random.normal(0, between) + favour[drawn], -1, 1)
        answered = random.random(count)
        ahead = answered < disagreeing / 2 * (1 + lean)
        values.append(ahead * 1.0 - (~ahead & (answered < disagreeing)))
    return values, images


def claimed(runs, draws, *situation):
    """In how many runs a difference is claimed where there is none."""
    random = np.random.default_rng(draws)
    claims = 0
    for _ in range(runs):
        values, images = differences_without_a_difference(random, draws, *situation)
        mean, low, high = interval_over_draws(values, images)
        differences = [value.mean() for value in values]
        said = {"baseline": "supervised", "differences": differences, "mean": mean, "interval": [low, high]}
        claims += "more than the noise" in verdict(said)
    return claims


@pytest.mark.parametrize("draws", [3, 5, 7])
def test_draws_that_are_wholly_for_one_side_are_seldom_taken_for_a_difference(draws):
    """Student's t wants normal values; the docstring states what it does with others."""
    runs = 400
    for between in (2, 1000):
        assert claimed(runs, draws, 400, True, between, 0, 0.3) <= runs * 0.1 + 3 * math.sqrt(runs * 0.09)


@pytest.mark.parametrize("draws", [5, 10])
def test_of_equal_models_a_difference_is_claimed_at_most_in_one_of_twenty_runs(draws):
    runs = 400
    for situation in itertools.product((60, 400), (True, False), ((0, 0), (0.5, 0), (0, 1)), (0.05, 0.3)):
        count, same_images, (between, of_images), disagreeing = situation
        claims = claimed(runs, draws, count, same_images, between, of_images, disagreeing)
        # three deviations of the simulation above one in twenty
        assert claims <= runs * 0.05 + 3 * math.sqrt(runs * 0.05 * 0.95), situation


def test_a_large_difference_is_still_seen():
    random = np.random.default_rng(0)
    for draws in (3, 5):
        values = [(random.random(400) < 0.12 + 0.02 * random.normal()) * 1.0 for _ in range(draws)]
        _, low, _ = interval_over_draws(values, [np.arange(400)] * draws)
        assert low > 0


@pytest.fixture
def prepared(tmp_path):
    """Bundled digits with two labels a class."""
    config = DataConfig(labels_per_class=2)
    preprocess.run(config, seed=0, output=tmp_path, terminal=Terminal(io.StringIO()))
    return DatasetInfo.load(tmp_path)


def test_audit_finds_just_the_drawn_labels(prepared):
    audit = audit_labels(prepared)
    assert audit.clean
    assert (audit.records, audit.labels) == (prepared.splits["train"]["count"], 20)
    assert audit.shards == len(prepared.shards("train"))


def rewrite(prepared, change):
    """Writes the first training shard again with its examples changed; the size stays."""
    path = prepared.shards("train")[0]
    examples = [tf.train.Example.FromString(payload) for _, payload in iterate_records(path)]
    change(examples)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    prepared.splits["train"]["shards"][0]["bytes"] = path.stat().st_size


def feature(example, name):
    return example.features.feature[name].int64_list.value


def test_audit_finds_a_label_that_was_withheld(prepared):
    def leak(examples):
        withheld = next(e for e in examples if feature(e, "image/class/label")[0] < 0)
        feature(withheld, "image/class/label")[0] = 3

    rewrite(prepared, leak)
    audit = audit_labels(prepared)
    assert not audit.clean and (audit.labels, audit.strays, audit.lost) == (21, 1, 0)


def test_audit_finds_a_label_that_was_lost(prepared):
    def lose(examples):
        drawn = next(e for e in examples if feature(e, "image/class/label")[0] >= 0)
        feature(drawn, "image/class/label")[0] = -1
        feature(drawn, "image/labeled")[0] = 0

    rewrite(prepared, lose)
    audit = audit_labels(prepared)
    assert not audit.clean and (audit.labels, audit.strays, audit.lost) == (19, 0, 1)


def test_audit_holds_the_labels_against_what_was_asked_for(prepared):
    asked = DataConfig(labels_per_class=2)
    audit = audit_labels(prepared, asked)
    assert audit.clean
    said = " ".join(finding.text for finding in audit.findings)
    assert "Each class has the 2 labels that were asked for." in said
    assert "it gives each of them that label." in said
    fewer = audit_labels(prepared, dataclasses.replace(asked, labels_per_class=1))
    assert not fewer.clean and any("0 has 2, 1 has 2, 2 has 2" in finding.text for finding in fewer.findings)
    # who asks for no number of labels asks for the source's own
    default = audit_labels(prepared, DataConfig())
    assert not default.clean
    assert any("10 labels a class are the default of 'digits'; 0 has 2" in f.text for f in default.findings)
    assert audit_labels(prepared, DataConfig(labelled_keys="keys.txt")).clean


def test_audit_holds_a_share_against_the_labels_there_were(tmp_path):
    asked = DataConfig(labels_per_class=None, labeled_rate=0.1)
    preprocess.run(asked, seed=0, output=tmp_path, terminal=Terminal(io.StringIO()))
    info = DatasetInfo.load(tmp_path)
    assert audit_labels(info, asked).clean
    assert not audit_labels(info, dataclasses.replace(asked, labeled_rate=0.05)).clean


def test_audit_finds_a_label_that_is_not_the_sources(prepared):
    def change(examples):
        drawn = next(e for e in examples if feature(e, "image/class/label")[0] >= 0)
        feature(drawn, "image/class/label")[0] = (feature(drawn, "image/class/label")[0] + 1) % 10

    rewrite(prepared, change)
    audit = audit_labels(prepared, DataConfig(labels_per_class=2))
    assert not audit.clean
    assert any("1 labels are not those that it gives" in finding.text for finding in audit.findings)


def test_audit_says_where_it_could_not_compare(prepared, tmp_path):
    gone = DataConfig(dataset=f"folder:{tmp_path / 'gone'}", labels_per_class=2)
    audit = audit_labels(prepared, gone)
    (said,) = [finding for finding in audit.findings if "were not compared" in finding.text]
    assert audit.clean and "gone" in said.text
    changed = audit_labels(prepared, DataConfig(dataset="gaussian", labels_per_class=2))
    assert any("the source has changed since" in finding.text for finding in changed.findings)


def test_a_report_shows_a_path_that_is_no_text(tmp_path, monkeypatch):
    # what `os.fsdecode` makes of a folder's name that is not UTF-8
    monkeypatch.setattr("jinja2.Template.render", lambda *_: "<p>run-\udcff</p>")
    monkeypatch.setattr("pipeline.reporting.sections.sections", lambda *_: {})
    assert write_report(load_config(), Workspace(tmp_path), {}).read_text() == "<p>run-\\udcff</p>"


def test_charts_are_the_same_bytes_and_need_nothing_else():
    answers = (FOUR.probabilities, FOUR.labels)
    _, coverage, risk = risk_coverage(*answers)
    draw = {
        "errors": lambda: charts.errors_chart({"a $x$ <b>": [(0.1, 0.05, 0.2)] * 3, "b": [(0.2, 0.1, 0.3)]}),
        "reliability": lambda: charts.reliability_chart(confidence_bins(*answers)),
        "abstention": lambda: charts.abstention_chart(coverage, risk),
    }
    for name, chart in draw.items():
        text = chart()
        assert text == chart(), name
        assert text.startswith("<svg ") and text.rstrip().endswith("</svg>")
        assert 'href="http' not in text and "<script" not in text and "<b>" not in text
    assert "a $x$ &lt;b&gt;" in draw["errors"]()


@pytest.mark.parametrize(
    ("labelled", "shown"), [(0, (0, 12)), (3, (3, 9)), (10, (6, 6)), (15, (7, 5)), (20, (12, 0))]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_model_sees_the_first_images_of_both_kinds(tmp_path, labelled, shown, channels):
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 7, channels), np.uint8)
    labels = np.where(np.arange(20) % 20 < labelled, 1, -1)[::-1]
    document = {
        "schema_version": SCHEMA_VERSION,
        "source": {"name": "folder"},
        "image_shape": [5, 7, channels],
        "class_names": ["a", "b"],
        "splits": {"train": write_split(tmp_path, "train", images, labels)},
        "resize": "fit",
        "background": 3,
    }
    (tmp_path / "dataset.json").write_text(json.dumps(document))
    seen = seen_section(DatasetInfo.load(tmp_path), tmp_path)
    assert seen["views"] is None
    (tmp_path / VIEWS).write_bytes(b"a picture")
    assert seen_section(DatasetInfo.load(tmp_path), tmp_path)["views"] == data_uri(b"a picture")
    assert tuple(len(pictures) for _, pictures in seen["rows"]) == shown
    for kind, (_, pictures) in zip((labels >= 0, labels < 0), seen["rows"], strict=True):
        assert pictures == [picture(image) for image in images[kind][: len(pictures)]]
    assert (seen["size"], seen["resize"], seen["background"]) == ("5 x 7", "fit", 3)
    assert seen_section(replaced_source(tmp_path, document, "gaussian"), tmp_path) is None


def replaced_source(folder, document, name):
    (folder / "dataset.json").write_text(json.dumps({**document, "source": {"name": name}}))
    return DatasetInfo.load(folder)


@pytest.mark.parametrize(("method", "crossed", "expected"), [("all", 69, 1), ("rate", 69, 0), ("all", 0, 0)])
def test_labelled_images_that_no_fold_tests_on_are_counted(method, crossed, expected):
    document = {"draw": {"method": method}}
    info = SimpleNamespace(splits={"train": {"labelled": 70}}, document=document)
    assert untested(info, {"cross_fitted": {"images": crossed}} if crossed else {}) == expected
