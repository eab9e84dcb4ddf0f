"""The schema of prepared data: what differs in later data is named, measured and, if asked for, refused."""

import io
import json
from typing import NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipeline.cli import main
from pipeline.data_schema import anomalies
from pipeline.data_schema.anomalies import compare, divergence
from pipeline.data_schema.gate import check_schema
from pipeline.data_schema.light import brightness_and_contrast
from pipeline.data_schema.schema import BINS, infer, read_schema, schema_in
from pipeline.errors import DataError
from pipeline.sources.source import content_digest, content_digests, pixel_digest
from pipeline.terminal import Terminal

NAMES = ("cat", "dog", "owl")


class Seen(NamedTuple):
    """What is known of an image that was looked at."""

    digest: str
    label: int
    height: int
    width: int
    channels: int
    brightness: int
    contrast: int
    reason: str = ""


def rows(count=600, seed=0, classes=3, mean=120, **changes):
    """Images of some classes, with a label each, whose brightness varies about a mean."""
    numbers = np.random.default_rng(seed)
    for number in range(count):
        light = int(np.clip(numbers.normal(mean, 25), 0, 255))
        row = Seen(f"{seed}-{number}", number % classes, 28, 28, 3, light, 40)
        yield row._replace(**changes)


def names_of(found):
    return [one.name for one in found]


SCHEMA = infer(rows(), NAMES)


def test_every_name_is_one_of_tensorflow_data_validation_but_for_ours():
    ours = {v for k, v in vars(anomalies).items() if k.isupper() and isinstance(v, str)}
    assert ours - set(anomalies.OURS) <= set(anomalies_pb2.AnomalyInfo.Type.keys())
    assert not set(anomalies.OURS) & set(anomalies_pb2.AnomalyInfo.Type.keys()) and len(ours) == 10


@pytest.mark.parametrize("count", [12, 60, 600, 3000])
def test_other_data_of_the_same_kind_do_not_differ(count):
    for seed in range(1, 15):
        assert compare(SCHEMA, infer(rows(count, seed), NAMES)) == []


@pytest.mark.parametrize(
    ("now", "name", "words"),
    [
        (infer(rows(classes=3), ("cat", "dog", "bat")), anomalies.NEW_CLASS, "'bat' (200) are not among"),
        (
            infer(rows(classes=2), NAMES),
            anomalies.MISSING_CLASS,
            "none of 600 labelled images is of 'owl' (200)",
        ),
        (infer(rows(classes=2), NAMES), anomalies.CLASS_SHARES, "L-infinity distance 0.333, threshold 0.1"),
        (infer(rows(label=-1), NAMES), anomalies.FEW_LABELS, "0.0% of the images have one, 100.0%"),
        (infer(rows(mean=200), NAMES), anomalies.LIGHT, "brightness: Jensen-Shannon divergence"),
        (infer(rows(contrast=90), NAMES), anomalies.LIGHT, "contrast: Jensen-Shannon divergence 1.000 bits"),
        (infer(rows(channels=1), NAMES), anomalies.NEW_MODE, "'grey' (600); the schema has colour"),
        (infer(rows(height=32), NAMES), anomalies.SIZES, "height: 32 to 32 pixels; the schema has 28"),
        (infer(rows(digest="x"), NAMES), anomalies.COPIES, "99.8% of the images repeat the pixels"),
        (
            infer([*rows(300), *rows(300, reason="damaged")], NAMES),
            anomalies.UNREADABLE,
            "50.0% of the images cannot be used, 0.0%",
        ),
        (infer(rows(reason="damaged"), NAMES), anomalies.NO_IMAGES, "none that can be used"),
    ],
)
def test_each_difference_is_named_with_its_measure(now, name, words):
    (found,) = [one for one in compare(SCHEMA, now) if one.name == name]
    assert words in str(found) and name in str(found)


def test_a_rare_class_may_be_missing_from_few_images():
    rare = infer([*rows(990, classes=2), *rows(10, 1, label=2)], NAMES)
    assert compare(rare, infer(rows(60, 2, classes=2), NAMES)) == []
    assert anomalies.MISSING_CLASS in names_of(compare(rare, infer(rows(3000, 2, classes=2), NAMES)))


def test_sizes_may_vary_twice_as_far_where_they_vary():
    photos = infer([*rows(300, height=100), *rows(300, 1, height=400)], NAMES)
    for height, differs in ((60, False), (790, False), (49, True), (801, True)):
        found = names_of(compare(photos, infer(rows(600, 2, height=height), NAMES)))
        assert (anomalies.SIZES in found) == differs


def test_the_divergence_is_between_none_and_all():
    one, other = np.eye(2, BINS, dtype=int).tolist()
    assert divergence(one, one) == 0 and divergence(one, other) == pytest.approx(1)
    assert divergence([3, 1], [1, 3]) == pytest.approx(divergence([1, 3], [3, 1]))
    # 1 - H(1/4): the mean of both is even
    assert divergence([3, 1], [1, 3]) == pytest.approx(1 - 0.8112781)


def test_brightness_and_contrast_are_mean_and_deviation():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    assert brightness_and_contrast(pixels[None]) == ([round(pixels.mean())], [round(pixels.std())])
    assert brightness_and_contrast(np.full((1, 2, 3, 1), 255, np.uint8)) == ([255], [0])


@pytest.mark.parametrize("shape", [(3, 5, 1), (2, 4, 2), (3, 3, 3), (2, 2, 4), (200, 200, 3)])
def test_pictures_together_are_described_as_each_of_them(shape):
    images = np.random.default_rng(1).integers(0, 256, (7, *shape), np.uint8)
    # opaque, and grey in one row or everywhere
    images[1, ..., -1] = 255
    images[2, 0] = images[2, 0, :, :1]
    images[3] = images[3, :, :, :1]
    images[3:5, ..., -1] = 255 if shape[-1] in (2, 4) else images[3:5, ..., -1]
    together = content_digests(images)
    assert [row.tobytes().hex() for row in together] == [content_digest(image) for image in images]
    means, deviations = brightness_and_contrast(images)
    assert means == [round(image.mean()) for image in images]
    assert deviations == [round(image.std()) for image in images]
    # a digest is that of the picture with what adds nothing left out
    if shape[-1] > 2:
        assert content_digest(images[3]) == pixel_digest(images[3, ..., :1])
    if shape[-1] == 3:
        assert content_digest(images[2]) == pixel_digest(images[2])


def test_a_schema_that_is_none_is_refused(tmp_path):
    file = tmp_path / "schema.json"
    for text, words in (
        ("{", "is not JSON"),
        ("[]", "is no ganpipe data schema"),
        (json.dumps({**SCHEMA, "version": 9}), "has version 9; this release reads 1"),
        (json.dumps({**SCHEMA, "images": -1}), "'images' is missing or not as it must be"),
        (json.dumps({**SCHEMA, "classes": ["cat"]}), "'classes' is missing"),
        (json.dumps({**SCHEMA, "brightness": [1, 2]}), "'brightness' is missing"),
        (json.dumps({**SCHEMA, "height": float("nan")}), "'height' is missing"),
        ("[" * 100_000, "is not JSON"),
    ):
        file.write_text(text)
        with pytest.raises(DataError, match=words):
            read_schema(str(file))
    with pytest.raises(DataError, match=r"cannot read .*Preparing data writes one"):
        read_schema(str(tmp_path / "gone.json"))
    file.write_text(json.dumps(SCHEMA))
    assert read_schema(str(file)) == SCHEMA


def test_differences_are_warnings_or_one_message(tmp_path):
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))
    said = io.StringIO()
    terminal = Terminal(said)
    now = infer(rows(mean=220, channels=1), NAMES)
    for _ in range(2):
        found = check_schema(str(file), now, strict=False, terminal=terminal)
    # once in a command, however many folds there are
    assert len(found) == 2 == said.getvalue().count("warning: the data differ from the schema: ")
    with pytest.raises(DataError) as caught:
        check_schema(str(file), now, strict=True, terminal=terminal)
    assert all(one["text"] in str(caught.value) for one in found) and "without --strict" in str(caught.value)


@pytest.fixture
def ganpipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [*map(str, arguments), "--quiet"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.stderr
        return result

    return run


def pictures(folder, names, low, high, seed):
    numbers = np.random.default_rng(seed)
    for number in range(40):
        place = folder / names[number % len(names)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers.integers(low, high, (8, 8), np.uint8)).save(place / f"{number}.png")


def test_later_data_are_refused_before_anything_is_written(ganpipe, tmp_path):
    pictures(tmp_path / "old", ("cat", "dog"), 0, 128, 0)
    pictures(tmp_path / "same", ("cat", "dog"), 0, 128, 1)
    pictures(tmp_path / "new", ("cat", "dgo"), 128, 255, 2)
    common = ("preprocess", "--folds", 0, "--dataset")
    ganpipe(*common, "folder:old", "--workdir", "first")
    schema = schema_in(tmp_path / "first/seed-0/data")
    assert read_schema(str(schema))["classes"] == {"cat": 20, "dog": 20}
    # what training reads says nothing of it
    assert "brightness" not in (tmp_path / "first/seed-0/data/dataset.json").read_text()
    compared = ("--schema", schema, "--strict")
    ganpipe(*common, "folder:same", "--workdir", "second", *compared)
    text = ganpipe(*common, "folder:new", "--workdir", "third", *compared, code=3).stderr
    for name in (anomalies.NEW_CLASS, anomalies.MISSING_CLASS, anomalies.LIGHT):
        assert name in text
    assert "Did you mean 'dog'?" in text and not (tmp_path / "third").exists()
    # without --strict it is prepared, and what is prepared is refused afterwards too
    said = ganpipe(*common, "folder:new", "--workdir", "third", "--schema", schema).stderr
    assert said.count("warning: the data differ from the schema") == text.count("\n  ")
    said = ganpipe(*common, "folder:new", "--workdir", "third", "--schema", schema).stderr
    assert anomalies.LIGHT in said
    ganpipe(*common, "folder:new", "--workdir", "fourth", "--strict")
    assert anomalies.NEW_CLASS in ganpipe("preprocess", "--workdir", "fourth", *compared, code=3).stderr
    # a look is compared too
    assert anomalies.LIGHT in ganpipe("inspect", "new", *compared, code=3).stderr
    found = json.loads(ganpipe("inspect", "same", *compared, "--json").stdout)
    assert found["anomalies"] == []
    wrong = ganpipe(*common, "folder:new", "--workdir", "fifth", "--schema", "gone.json", code=3).stderr
    assert "cannot read the schema" in wrong and not (tmp_path / "fifth").exists()
