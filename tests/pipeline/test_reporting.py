"""What the report says of predictions and of the training files."""

import base64
import io
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.config import DataConfig
from pipeline.reporting import charts
from pipeline.reporting.label_audit import audit_labels
from pipeline.reporting.predictions import (
    Predictions,
    disagreement,
    picture,
    surest_mistakes,
    thresholds,
)
from pipeline.reporting.summary import verdict
from pipeline.stages.preprocess import stage as preprocess
from pipeline.terminal import Terminal
from ssgan_tf.metrics.calibration import confidence_bins, risk_coverage
from ssgan_tf.records import DatasetInfo, iterate_records

NAMES = ("zero", "one", "two")


def predictions(answers, confidence, labels):
    """Answers with a given confidence; the rest goes to the other classes in equal parts."""
    confidence = np.asarray(confidence, np.float64)
    rows = np.repeat((1 - confidence)[:, None] / 2, 3, axis=1)
    rows[np.arange(len(rows)), answers] = confidence
    return Predictions([f"key {n}" for n in range(len(rows))], np.asarray(labels), rows)


FOUR = predictions([0, 1, 2, 1], [0.95, 0.9, 0.6, 0.99], [0, 2, 2, 0])


def test_thresholds_compare_as_the_served_model_does():
    rows = {row.below: row for row in thresholds(FOUR)}
    assert (rows[0.0].answered, rows[0.0].mistakes, rows[0.0].error) == (4, 2, 0.5)
    # a confidence of just 0.9 is answered: the model abstains below the threshold
    assert (rows[0.9].answered, rows[0.9].mistakes) == (3, 2)
    assert (rows[0.95].coverage, rows[0.95].error) == (0.5, 0.5)
    assert (rows[0.999].answered, rows[0.999].error) == (0, None)


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
        (paired(0.03, 0.01, interval=[-0.1, 0.14]), "within the noise of the draws"),
        (paired(0.03, 0.03, interval=[0.01, 0.05]), "more than the noise of the draws"),
    ],
)
def test_the_verdict_in_words(figures, words):
    assert words in verdict(figures)


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
