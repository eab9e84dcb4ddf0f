"""What is used together was made from each other, and nothing of a user's is lost on the way."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import NO_JUDGE, TINY
from tests.end_to_end.test_mistakes import message


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of a finished run, to change."""
    return shutil.copytree(finished, tmp_path / "run")


def test_a_model_is_not_tested_on_data_that_it_was_not_made_from(ganpipe, copied):
    ganpipe("preprocess", "--workdir", copied, "--force", "--set", "data.test_rate=0.5")
    for command in (("evaluate", *NO_JUDGE), ("export",)):
        text = message(ganpipe(*command, "--workdir", copied, code=3))
        for word in ("the model in", "was not made from the data", "ganpipe train"):
            assert word in text
    ganpipe("train", "--workdir", copied, *TINY)
    ganpipe("evaluate", *NO_JUDGE, "--workdir", copied)


def test_a_model_card_shows_the_figures_of_its_model_only(ganpipe, copied):
    ganpipe("train", "--workdir", copied, *TINY, "--steps", 21)
    text = message(ganpipe("export", "--workdir", copied, code=3))
    assert "the metrics in" in text and "was not made from the model" in text and "ganpipe evaluate" in text
    ganpipe("evaluate", *NO_JUDGE, "--workdir", copied)
    ganpipe("export", "--workdir", copied)
    draw = copied / "seed-0" / "ssgan"
    error = json.loads((draw / "evaluate" / "metrics.json").read_text())["error"]
    assert f"{error:.4g}" in (draw / "export/classifier/2/assets.extra/README.md").read_text()


def photos(folder, names):
    """A flat folder of small pictures and a label file that alternates two classes."""
    folder.mkdir()
    numbers = np.random.default_rng(0)
    rows = ["path,label"]
    for number in range(40):
        Image.fromarray(numbers.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{names[number % 2]}")
    (folder.parent / f"{names[0]}.csv").write_text("\n".join(rows) + "\n")


def test_other_labels_or_images_do_not_replace_a_trained_model(ganpipe, tmp_path):
    photos(tmp_path / "photos", ("cat", "dog"))
    workdir, dataset = tmp_path / "run", ("--dataset", f"folder:{tmp_path / 'photos'}")
    labels = ("--labels", tmp_path / "cat.csv")
    small = (
        "--set",
        "recipe.width=0.0625",
        "--steps",
        2,
        "--labels-per-class",
        4,
        "--no-baseline",
        "--folds",
        0,
        *NO_JUDGE,
    )
    ganpipe("run", *dataset, *labels, "--workdir", workdir, *small)
    trained = (workdir / "seed-0/ssgan/train/manifest.json").read_bytes()
    shutil.copy(tmp_path / "cat.csv", tmp_path / "copy.csv")
    # the same labels are the same labels wherever they lie
    copied = ("preprocess", "--labels", tmp_path / "copy.csv", "--workdir", workdir)
    assert "reused" in ganpipe(*copied).stderr
    lines = (tmp_path / "cat.csv").read_text().splitlines()
    (tmp_path / "copy.csv").write_text("\n".join(lines[:-2]) + "\n")
    text = message(
        ganpipe("run", *dataset, "--labels", tmp_path / "copy.csv", "--workdir", workdir, *small, code=2)
    )
    assert "labels from" in text and "cat.csv" in text and "copy.csv" in text and "--force preprocess" in text
    (tmp_path / "cat.csv").write_text("\n".join(lines[:-1]) + "\n")
    text = message(
        ganpipe("preprocess", *dataset, *labels, "--workdir", workdir, "--labels-per-class", 4, code=2)
    )
    assert "before its images or labels changed" in text
    assert (workdir / "seed-0/ssgan/train/manifest.json").read_bytes() == trained


def test_a_data_set_is_known_by_its_place_from_any_folder(tmp_path, monkeypatch):
    from pipeline.sources.catalog import full_name

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "mnist").mkdir()
    assert full_name("tfds:mnist") == "tfds:mnist"
    assert full_name("folder:mnist") == f"folder:{tmp_path / 'mnist'}"
    assert full_name("folder:~/photos") == f"folder:{tmp_path / 'home' / 'photos'}"
    assert full_name("digits") == "digits" and full_name("gaussian:3") == "gaussian:3"
