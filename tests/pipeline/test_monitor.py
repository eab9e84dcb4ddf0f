"""Whether new images look like an export's own: shifts are noticed, mistakes end in one message."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from export_fixtures import digit_images

from pipeline.cli import main
from pipeline.errors import DataError
from pipeline.exported.inputs_log import model_digest, read_columns, write_log
from pipeline.exported.layout import CONFIDENCE_FILE, REFERENCE_FILE
from pipeline.monitoring.compared import compare
from pipeline.monitoring.observed import Observed, drawn
from pipeline.stages.predict.inputs import Entry
from ssgan_tf.metrics.shift import Seen
from ssgan_tf.reference import MOST_IMAGES, Reference
from ssgan_tf.systems.recipe import System


def monitor(*arguments, code=0):
    result = CliRunner().invoke(main, ["monitor", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.stderr
    return result


def write(folder: Path, images) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        (folder / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
    return folder


@pytest.fixture(scope="module")
def pool():
    """Digits that neither training nor the test split has, in a random order, and their labels.

    The bundled ones lie writer by writer: one part of them as they lie is a shift from another.
    """
    images, labels = digit_images(1150)
    order = 550 + np.random.default_rng(3).permutation(600)
    return images[order], labels[order]


@pytest.fixture(scope="module")
def new_digits(pool):
    """Images uint8 [200, 8, 8, 1], and their labels."""
    return pool[0][:200], pool[1][:200]


@pytest.fixture(scope="module")
def version(exported, pool, tmp_path_factory) -> Path:
    """The exported version with 400 digits as its reference, drawn from where the new ones come from."""
    folder = tmp_path_factory.mktemp("model") / "classifier" / "3"
    shutil.copytree(exported[0] / "classifier" / "3", folder)
    seen = tf.saved_model.load(str(folder)).signatures["features"](
        image=tf.constant(pool[0][200:], tf.float32)
    )
    values = {name: seen[name].numpy() for name in ("features", "confidence", "class_id")}
    old = Reference.load(folder / REFERENCE_FILE)
    Reference(**{**vars(old), **values}).save(folder / REFERENCE_FILE)
    return folder


def test_images_without_a_shift_pass(version, new_digits, tmp_path):
    result = monitor(write(tmp_path / "new", new_digits[0]), "--model", version, "--json")
    found = json.loads(result.stdout)
    assert not found["shifted"] and found["images"] == 200 and found["unread"] == 0
    assert found["reference"] == {"images": 400, "split": "test", "held_out": True}
    assert "No shift is seen in 200 images" in result.stderr
    assert [test["name"] for test in found["tests"]] == ["confidence", "predicted classes", "features"]
    assert sum(row["new"] for row in found["classes"].values()) == pytest.approx(1)
    assert 0 <= found["foreign"] <= 1


@pytest.mark.parametrize("change", ["inverted", "noisy", "one class"])
def test_a_shift_ends_with_the_code_of_a_refusal(version, new_digits, tmp_path, change):
    images, labels = new_digits
    random = np.random.default_rng(0)
    shifted = {
        "inverted": 255 - images,
        "noisy": np.clip(images + random.normal(0, 90, images.shape), 0, 255).astype(np.uint8),
        "one class": np.tile(images[labels == 3], (3, 1, 1, 1)),
    }[change][:100]
    result = monitor(write(tmp_path / "new", shifted), "--model", version, "--json", code=5)
    assert json.loads(result.stdout)["shifted"]
    # this export has no certificate
    assert "(there is no certificate) no longer applies" in result.stderr


def test_a_certificate_no_longer_applies(version, new_digits, tmp_path):
    copy = Path(shutil.copytree(version, tmp_path / "model" / "3"))
    told = json.loads((copy / CONFIDENCE_FILE).read_text())
    told["promise"] = {"state": "promised", "sentence": "Of its answers at most 1 % are wrong."}
    (copy / CONFIDENCE_FILE).write_text(json.dumps(told))
    result = monitor(write(tmp_path / "new", 255 - new_digits[0][:60]), "--model", copy, code=5)
    assert "error: The certificate no longer applies: " in result.stderr
    result = monitor(write(tmp_path / "same", new_digits[0]), "--model", copy)
    assert "Of its answers at most 1 % are wrong." in result.stderr


def test_a_log_of_inputs_is_as_good_as_the_images(version, new_digits, tmp_path):
    model = tf.saved_model.load(str(version))
    seen = model.signatures["features"](image=tf.constant(new_digits[0], tf.float32))
    columns = {name: value.numpy() for name, value in seen.items()}
    write_log(tmp_path / "seen.npz", model_digest(version), columns)
    arguments = ("--model", version, "--json")
    from_log = json.loads(monitor("--inputs-log", tmp_path / "seen.npz", *arguments).stdout)
    from_files = json.loads(monitor(write(tmp_path / "new", new_digits[0]), *arguments).stdout)
    assert from_log["classes"] == from_files["classes"] and from_log["foreign"] == from_files["foreign"]
    # another order gives other permutations, and a kernel as wide as other images lie apart
    for one, other in zip(from_log["tests"], from_files["tests"], strict=True):
        assert one["statistic"] == pytest.approx(other["statistic"], rel=0.1, abs=1e-3)


def test_mistakes_end_in_one_message(version, new_digits, tmp_path):
    few = write(tmp_path / "few", new_digits[0][:20])
    log = tmp_path / "seen.npz"
    ones = np.ones(40)
    write_log(
        log, "another", {"features": np.ones((40, 3)), "confidence": ones, "class_id": ones.astype(int)}
    )
    nan = tmp_path / "nan.npz"
    features = np.full_like(Reference.load(version / REFERENCE_FILE).features[:40], np.nan)
    columns = {"features": features, "confidence": ones, "class_id": ones.astype(int)}
    write_log(nan, model_digest(version), columns)
    empty, broken = tmp_path / "empty.npz", tmp_path / "broken.npz"
    write_log(empty, "", {})
    broken.write_bytes(log.read_bytes()[:-200])
    old = Path(shutil.copytree(version, tmp_path / "old" / "3"))
    (old / REFERENCE_FILE).unlink()
    damaged = Path(shutil.copytree(version, tmp_path / "damaged" / "3"))
    (damaged / REFERENCE_FILE).write_bytes(b"no archive")
    at = ("--model", version)
    for arguments, code, words in (
        ((few, *at), 3, "20 images are too few to tell a shift: it takes 30 or more"),
        ((tmp_path / "none", *at), 3, "does not exist"),
        ((few, "--inputs-log", log, *at), 2, "give either IMAGES"),
        (at, 2, "give either IMAGES"),
        ((few, *at, "--level", "2"), 2, "--level must be a number from 0.003 to below 1; got '2'"),
        ((few, *at, "--level", "0.001"), 2, "--level must be a number from 0.003 to below 1; got '0.001'"),
        ((few, *at, "--level", "x"), 2, "got 'x'"),
        ((few, *at, "--workdir", tmp_path), 2, "name two models"),
        (("--inputs-log", log, *at), 3, "is of another model"),
        (("--inputs-log", empty, *at), 3, "holds no image yet"),
        (("--inputs-log", nan, *at), 3, "are no numbers"),
        (("--inputs-log", broken, *at), 3, "cannot be read"),
        (("--inputs-log", tmp_path / "absent.npz", *at), 3, "cannot be read"),
        ((few, "--model", old), 3, "keeps nothing of the images it was made for"),
        ((few, "--model", damaged), 3, "cannot be read"),
    ):
        result = monitor(*arguments, code=code)
        lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and words in lines[0], result.stderr
        assert result.stdout == ""


def test_a_damaged_log_ends_in_one_message(version, tmp_path):
    log, rows = tmp_path / "seen.npz", np.ones(40)
    width = Reference.load(version / REFERENCE_FILE).features.shape[1]
    whole = {"features": np.ones((40, width)), "confidence": rows, "class_id": rows.astype(int)}
    wrong = (
        {"features": np.full((40, width), "x")},
        {"confidence": np.ones((40, 2))},
        {"class_id": np.full(40, 2**40)},
        {"looks_familiar": np.full(40, "x")},
        {"features": np.ones(40)},
    )
    for columns in wrong:
        write_log(log, model_digest(version), whole | columns)
        with pytest.raises(DataError, match="cannot be read"):
            read_columns(log, version)
    write_log(log, model_digest(version), whole)
    good = log.read_bytes()
    for place in range(0, 400, 3):
        log.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        with contextlib.suppress(DataError):
            read_columns(log, version)


def test_two_images_are_the_fewest_to_compare_with(version, tmp_path):
    copy = Path(shutil.copytree(version, tmp_path / "model" / "3"))
    old = Reference.load(version / REFERENCE_FILE)
    one = {name: getattr(old, name)[:1] for name in ("features", "confidence", "class_id")}
    Reference(**{**vars(old), **one}).save(copy / REFERENCE_FILE)
    seen = Seen(old.features[:40], old.confidence[:40], old.class_id[:40])
    with pytest.raises(DataError, match="keeps too few images"):
        compare(copy, Observed(seen, None, 0), 0.05)
    assert (
        "of looks at images without one 0.5 % raise"
        in compare(version, Observed(seen, None, 0), 0.005)["sentence"]
    )


def test_of_many_images_some_are_drawn():
    entries = [Entry(str(number)) for number in range(MOST_IMAGES + 500)]
    some = drawn(entries)
    assert len(some) == MOST_IMAGES and list(some) == sorted(some, key=lambda entry: int(entry.path))
    assert drawn(entries[:7]) == entries[:7]


def test_the_export_looks_as_training_does(exported, trained_digits, prepared_digits, digit_test_images):
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.savedmodel import in_float32
    from ssgan_tf.training.trained import load_trained

    version = exported[0] / "classifier" / "3"
    system, networks = in_float32(load_trained(trained_digits, DatasetInfo.load(prepared_digits)))
    images = tf.constant(digit_test_images, tf.float32)
    signatures = tf.saved_model.load(str(version)).signatures
    seen = signatures["features"](image=images)
    wanted = system.features(networks, images).numpy()
    assert type(system).features is not System.features and wanted.shape[1] > 10
    np.testing.assert_allclose(seen["features"].numpy(), wanted, atol=1e-4)
    reference = Reference.load(version / REFERENCE_FILE)
    np.testing.assert_allclose(reference.features, wanted, atol=1e-4)
    np.testing.assert_array_equal(reference.class_id, seen["class_id"].numpy())
    answered = signatures["serving_default"](image=images)
    assert "features" not in answered
    familiar = answered["looks_familiar"].numpy()
    # of the scored half every rank is there once; foreign images have the lowest
    assert np.sort(familiar[reference.bank :])[-1] == 1 and len(np.unique(familiar[reference.bank :])) > 50
    noise = np.random.default_rng(0).integers(0, 256, images.shape).astype(np.float32)
    assert np.median(signatures["serving_default"](image=noise)["looks_familiar"].numpy()) < 0.2
    bad = signatures["serving_default"](image=tf.fill(images.shape, np.nan))
    assert not bad["looks_familiar"].numpy().any()
