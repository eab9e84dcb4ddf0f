"""Further columns of a label file: kept beside the records, shown by slice, and never seen by training."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from pipeline.evaluated import metrics_at
from pipeline.provenance import COLUMNS, FOLDER, SOURCE, columns_of
from pipeline.stages.evaluate import stage as evaluate
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.stages.preprocess import stage as preprocess
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal
from ssgan_tf.records import DatasetInfo, read_split


def prepared(root, output, cameras):
    """Prepares 40 pictures whose label file has the columns camera, number and label."""
    with (root / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["camera", "number", "label", "path"])
        rows.writerows([camera, n + 1000, f"class{n % 2}", f"{n}.png"] for n, camera in enumerate(cameras))
    config = DataConfig(dataset=f"folder:{root / 'photos'}", labels=str(root / "labels.csv"), folds=0)
    output.mkdir()
    said = io.StringIO()
    preprocess.run(config, seed=0, output=output, terminal=Terminal(said))
    return {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}, said.getvalue()


@pytest.fixture
def photos(tmp_path):
    numbers = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for n in range(40):
        Image.fromarray(numbers.integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "photos" / f"{n}.png")
    return tmp_path


def test_a_column_never_reaches_training(photos):
    cameras = [f"camera-{n % 3}" for n in range(40)]
    before, _ = prepared(photos, photos / "before", cameras)
    after, _ = prepared(photos, photos / "after", ["class0", "class1"] * 20)
    # not a byte that training reads depends on a column, be it another name for the label
    assert before == after and {"dataset.json", "labelled.txt"} < set(before)
    assert not any(word in content for content in before.values() for word in (b"camera", b"1007", b"number"))
    for folder in ("before", "after"):
        assert DatasetInfo.load(photos / folder).class_names == ("class0", "class1")


def test_columns_are_kept_by_key_and_those_of_many_values_left_out(photos):
    prepared(photos, photos / "out", [f"c,{n % 3}" if n else "" for n in range(40)])
    info = DatasetInfo.load(photos / "out")
    keys = [key for split in info.splits for key in read_split(info, split).keys]
    found = columns_of(photos / "out", [*keys, "gone"])
    # 40 numbers are fewer than 50: they make a column, if one of no use
    assert set(found) == {"camera", "number"}
    places = {
        row["key"]: row["place"] for row in csv.DictReader((photos / f"out/{FOLDER}/images.csv").open())
    }
    for key, camera, number in zip(keys, found["camera"], found["number"], strict=False):
        n = int(number) - 1000
        assert places[key] == f"{n}.png" and camera == (f"c,{n % 3}" if n else "")
    assert found["camera"][-1] == ""
    source = json.loads((photos / "out" / FOLDER / SOURCE).read_text())
    assert source["no_slices"] == ""
    assert columns_of(photos / "photos", keys) == {}


def test_an_evaluation_names_the_worst_slice(prepared_digits, trained_digits, tmp_path):
    data = shutil.copytree(prepared_digits, tmp_path / "data")
    (data / FOLDER).mkdir(exist_ok=True)

    def evaluated(name):
        (tmp_path / name).mkdir()
        said = io.StringIO()
        metrics = evaluate.run(
            EvaluateConfig(samples=0),
            model=trained_digits,
            data=data,
            output=tmp_path / name,
            terminal=Terminal(said),
        )
        return metrics, said.getvalue()

    metrics, said = evaluated("without")
    assert "slices" not in metrics and "slice" not in said
    stored = dict(np.load(tmp_path / "without" / "predictions.npz"))
    wrong = stored["logits"].argmax(1) != stored["labels"]
    # half of the mistakes were made by one camera
    bad = set(stored["keys"][wrong][: (wrong.sum() + 1) // 2]) | set(stored["keys"][~wrong][:2])
    with (data / FOLDER / COLUMNS).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["key", "camera", "key", "empty"])
        rows.writerows([key, "bad" if key in bad else "good", "x", ""] for key in stored["keys"])
    (data / FOLDER / SOURCE).write_text(json.dumps({"no_slices": "columns that give no slices: 'time'"}))
    metrics, said = evaluated("with")
    rows = {(row["column"], row["value"]): row for row in metrics["slices"]}
    assert set(rows) == {("camera", "bad"), ("camera", "good"), ("key", "x")}
    assert rows["camera", "bad"]["wrong"] == (wrong.sum() + 1) // 2 and rows["camera", "bad"]["count"] == len(
        bad
    )
    for text in (metrics["worst_slice"], said):
        assert "The worst slice is camera = bad" in text and "Holm's correction for 3 slices" in text
    assert "columns that give no slices: 'time'" in said and "camera = good" in said
    # computed again at the temperature of an export, from what is stored
    again = metrics_at(tmp_path / "with", 3.0)
    assert again["slices"] == metrics["slices"] and again["temperature"] == 3.0
