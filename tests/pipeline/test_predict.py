"""The predict stage: every image gets its row, whatever the others are like and however it is written."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from export_fixtures import CLASSES
from PIL import Image

from pipeline.cli import main
from pipeline.errors import DataError, UsageError
from pipeline.stages.predict import stage as predict
from pipeline.stages.predict.inputs import Unreadable, find_entries, read_entry
from pipeline.stages.predict.settings import PredictConfig
from pipeline.stages.predict.writers import choose_format, open_writer
from pipeline.terminal import Terminal

COLUMNS = ["path", "label", "class_id", "confidence", "real_score", "abstain", "error"] + [
    f"prob_{name}" for name in CLASSES
]


def run(exported, inputs, output: Path | None, terminal: Terminal | None = None, **settings) -> dict:
    return predict.run(
        PredictConfig(**settings),
        model=exported[0],
        inputs=[str(item) for item in inputs],
        output=output,
        terminal=terminal or Terminal(io.StringIO()),
    )


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, digit_test_images: np.ndarray) -> Path:
    """A folder of twelve digits in several formats and folders, with three files that are no images."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    (folder / ".hidden").mkdir()
    for number, pixels in enumerate(digit_test_images[:12]):
        image = Image.fromarray(pixels[..., 0])
        place = folder / ("more" if number % 2 else ".")
        image.save(place / f"{number:02d}.{('png', 'bmp', 'png', 'gif')[number % 4]}")
    Image.fromarray(digit_test_images[0][..., 0]).save(folder / ".hidden" / "x.png")
    (folder / "20-cut.png").write_bytes((folder / "00.png").read_bytes()[:60])
    (folder / "21-text.jpg").write_text("no image")
    (folder / "22-empty.gif").write_bytes(b"")
    (folder / "notes.txt").write_text("not looked at")
    return folder


def model_answers(exported, images: np.ndarray) -> np.ndarray:
    model = tf.saved_model.load(str(exported[0] / "classifier" / "3"))
    return model.signatures["serving_uint8"](image=tf.constant(images))["probabilities"].numpy()


def test_rows_say_what_the_model_says(exported, pictures, digit_test_images, tmp_path):
    summary = run(exported, [pictures], tmp_path / "rows.csv", batch_size=5)
    rows = read_csv(tmp_path / "rows.csv")
    assert list(rows[0]) == COLUMNS
    expected = model_answers(exported, digit_test_images[:12])
    good = [row for row in rows if not row["error"]]
    assert len(good) == 12
    for row in good:
        wanted = expected[int(Path(row["path"]).stem)]
        got = np.array([float(row[f"prob_{name}"]) for name in CLASSES])
        np.testing.assert_allclose(got, wanted, atol=1e-5)
        assert int(row["class_id"]) == wanted.argmax()
        assert row["label"] == CLASSES[wanted.argmax()]
        assert float(row["confidence"]) == pytest.approx(wanted.max(), abs=1e-5)
        assert 0 <= float(row["real_score"]) <= 1
        assert row["abstain"] == "false"
    assert summary["images"] == 15
    assert sum(summary["labels"].values()) == 12


def test_a_bad_image_has_a_row_and_stops_nothing(exported, pictures, tmp_path):
    said = io.StringIO()
    summary = run(exported, [pictures], tmp_path / "rows.csv", Terminal(said))
    assert summary["failed"] == 3
    rows = {Path(row["path"]).name: row for row in read_csv(tmp_path / "rows.csv")}
    assert rows["20-cut.png"]["error"] == "the image data is damaged or cut off"
    assert rows["21-text.jpg"]["error"] == "not a PNG, JPEG, BMP, GIF, WebP or TIFF image"
    assert rows["22-empty.gif"]["error"] == "the file is empty"
    for name in ("20-cut.png", "21-text.jpg", "22-empty.gif"):
        assert all(not value for key, value in rows[name].items() if key not in ("path", "error"))
    assert "3 of 15 images cannot be used" in said.getvalue()


def test_a_file_that_vanishes_is_a_row(exported, pictures, tmp_path, monkeypatch):
    from pipeline.stages.predict import inputs

    gone = [*find_entries([str(pictures / "00.png")]), inputs.Entry(str(tmp_path / "gone.png"))]
    monkeypatch.setattr(inputs, "find_entries", lambda given: gone)
    run(exported, ["x"], tmp_path / "rows.csv")
    assert read_csv(tmp_path / "rows.csv")[1]["error"] == "cannot be read: No such file or directory"


def test_strict_stops_at_the_first_bad_image(exported, pictures, tmp_path):
    with pytest.raises(DataError, match="20-cut.png' cannot be used: the image data is damaged"):
        run(exported, [pictures], tmp_path / "rows.csv", strict=True)
    assert not list(tmp_path.iterdir())


def test_all_bad_is_an_error_and_keeps_what_was_there(exported, pictures, tmp_path):
    (tmp_path / "rows.csv").write_text("before")
    with pytest.raises(DataError, match="none of the 2 images can be used; the first, .*21-text"):
        bad = [pictures / "21-text.jpg", pictures / "22-empty.gif"]
        run(exported, bad, tmp_path / "rows.csv", overwrite=True)
    assert (tmp_path / "rows.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_every_format_holds_the_same_rows(exported, pictures, tmp_path, capsys):
    for name in ("rows.csv", "rows.jsonl", "rows.parquet"):
        run(exported, [pictures], tmp_path / name)
    table = read_csv(tmp_path / "rows.csv")
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [list(line) for line in lines] == [COLUMNS] * len(table)
    parquet = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "rows.parquet")
    assert parquet.column_names == COLUMNS
    for row, line, stored in zip(table, lines, parquet.to_pylist(), strict=True):
        for name in COLUMNS:
            value = line[name]
            assert row[name] == ("" if value is None else json.dumps(value).strip('"'))
            if isinstance(line[name], float):
                assert stored[name] == pytest.approx(line[name], rel=1e-6)
            else:
                assert stored[name] == line[name]
    run(exported, [pictures], None, format="jsonl")
    assert capsys.readouterr().out == (tmp_path / "rows.jsonl").read_text()


def test_records_are_read_and_damaged_ones_reported(exported, prepared_digits, digit_test_images, tmp_path):
    whole = prepared_digits / "test-00000-of-00001.tfrecord"
    data = bytearray(whole.read_bytes())
    entries = find_entries([str(whole)])
    assert len(entries) == len(digit_test_images)
    data[entries[2].offset + 40] ^= 1
    broken = tmp_path / "broken.tfrecord"
    broken.write_bytes(data[: entries[5].offset - 3])
    wrong_length = tmp_path / "length.tfrecord"
    wrong_length.write_bytes(bytes(data[: entries[1].offset]) + b"\xff" * 40)
    run(exported, [broken, wrong_length], tmp_path / "rows.csv")
    rows = read_csv(tmp_path / "rows.csv")
    errors = [row["error"] for row in rows]
    assert errors == [
        "",
        "",
        "the record has a wrong checksum",
        "",
        "the record is cut off",
        "",
        "damaged TFRecord file: the rest of it is left out",
    ]
    assert rows[3]["path"] == f"{broken}#3"
    expected = model_answers(exported, digit_test_images[3:4])[0]
    np.testing.assert_allclose([float(rows[3][f"prob_{name}"]) for name in CLASSES], expected, atol=1e-5)


@pytest.mark.parametrize("runner", ["in_memory", "multi_processing"])
def test_beam_gives_the_direct_ways_bytes(exported, pictures, prepared_digits, tmp_path, runner, monkeypatch):
    from pipeline.stages.predict import blocks

    monkeypatch.setattr(blocks, "BLOCK", 40)
    inputs = [prepared_digits / "test-00000-of-00001.tfrecord", pictures]
    direct = run(exported, inputs, tmp_path / "direct.jsonl", batch_size=16)
    summary = run(exported, inputs, tmp_path / "beam.jsonl", batch_size=16, runner=runner, workers=2)
    assert (tmp_path / "beam.jsonl").read_bytes() == (tmp_path / "direct.jsonl").read_bytes()
    assert {**summary, "output": None} == {**direct, "output": None}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beam.jsonl", "direct.jsonl"]


def test_beam_tells_a_strict_failure(exported, pictures, tmp_path):
    with pytest.raises(DataError, match="20-cut.png' cannot be used"):
        run(exported, [pictures], tmp_path / "rows.csv", runner="in_memory", strict=True)
    assert not list(tmp_path.iterdir())


def test_litert_gives_nearly_the_same_rows(exported, pictures, tmp_path):
    for engine in ("savedmodel", "lite"):
        run(exported, [pictures], tmp_path / f"{engine}.csv", engine=engine)
    for row, lite in zip(read_csv(tmp_path / "savedmodel.csv"), read_csv(tmp_path / "lite.csv"), strict=True):
        assert (row["path"], row["label"], bool(row["error"])) == (
            lite["path"],
            lite["label"],
            bool(lite["error"]),
        )
        if not row["error"]:
            for name in COLUMNS[7:]:
                assert float(lite[name]) == pytest.approx(float(row[name]), abs=1e-5)


def test_inputs_are_listed_once_and_in_order(pictures, tmp_path):
    folder = [Path(entry.path) for entry in find_entries([str(pictures)])]
    assert folder == sorted(folder)
    assert len(folder) == 15
    assert not any("hidden" in path.parts[-2] or path.suffix == ".txt" for path in folder)
    again = find_entries([str(pictures / "more" / "*.gif"), str(pictures)])
    assert len(again) == 15
    assert again[0].path.endswith(".gif")
    assert len(find_entries([str(pictures / "**" / "*.png")])) == 7


def test_a_link_that_leads_nowhere_is_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    entries = find_entries([str(tmp_path)])
    assert [Path(entry.path).name for entry in entries] == ["circle.png", "gone.png"]
    for entry in entries:
        with pytest.raises(Unreadable, match="cannot be read"):
            read_entry(entry)


def test_a_path_that_is_no_text_is_written_in_every_format(tmp_path):
    path = os.fsdecode(b"photos/\xff.png")
    for name in ("rows.csv", "rows.jsonl", "rows.parquet"):
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        with open_writer(name.partition(".")[2], tmp_path / name, ["path", "label"]) as write:
            write([(path, "cat")])
        # the bytes themselves, or where only text may stand what names them
        written = (tmp_path / name).read_bytes()
        assert b"photos/\xff.png" in written or b"photos/\\udcff.png" in written


def test_inputs_that_do_not_exist_are_named(pictures, tmp_path):
    with pytest.raises(UsageError, match="nothing to predict"):
        find_entries([])
    with pytest.raises(DataError, match=r"20cut.png' does not exist. Did you mean '20-cut.png'\?"):
        find_entries([str(pictures / "20cut.png")])
    with pytest.raises(DataError, match="no file fits the pattern"):
        find_entries([str(pictures / "*.tiff")])
    with pytest.raises(DataError, match="holds no image"):
        find_entries([str(tmp_path)])
    (tmp_path / "none.tfrecord").touch()
    with pytest.raises(DataError, match="there is no image in"):
        find_entries([str(tmp_path / "none.tfrecord")])


def test_models_that_cannot_predict_are_named(exported, pictures, tmp_path):
    from pipeline.stages.predict.classifiers import find_version

    def attempt(model: Path, **settings) -> None:
        predict.run(
            PredictConfig(**settings),
            model=model,
            inputs=[str(pictures)],
            output=tmp_path / "rows.csv",
            terminal=Terminal(io.StringIO()),
        )

    with pytest.raises(DataError, match=r"there is no model .*Did you mean"):
        attempt(exported[0] / "clasifier")
    with pytest.raises(DataError, match="is no SavedModel"):
        attempt(pictures)
    with pytest.raises(DataError, match="is no classifier of images: it has no signature serving_bytes"):
        attempt(exported[0] / "generator")
    with pytest.raises(DataError, match="there is no LiteRT model"):
        attempt(exported[0] / "generator", engine="lite")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot be loaded"):
        attempt(broken)
    cut_off = shutil.copytree(find_version(exported[0] / "classifier"), tmp_path / "cut_off")
    weights = cut_off / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(DataError, match="cut_off.*cannot be loaded"):
        attempt(cut_off)
    assert not (tmp_path / "rows.csv").exists()


def test_the_highest_version_answers(exported_copy, pictures, tmp_path):
    from pipeline.stages.predict.classifiers import find_version

    (exported_copy / "classifier" / "3").rename(exported_copy / "classifier" / "12")
    (exported_copy / "classifier" / "9").mkdir()
    (exported_copy / "classifier" / "99.partial").mkdir()
    for place in (exported_copy, exported_copy / "classifier", exported_copy / "classifier" / "12"):
        assert find_version(place).name == "12"


def test_formats_that_cannot_be_written_are_refused(tmp_path):
    assert choose_format(None, None) == "csv"
    assert choose_format("jsonl", tmp_path / "x.csv") == "jsonl"
    assert choose_format(None, tmp_path / "x.NDJSON") == "jsonl"
    with pytest.raises(UsageError, match=r"Did you mean '.parquet'"):
        choose_format(None, tmp_path / "x.parqet")
    with pytest.raises(UsageError, match="standard output"):
        choose_format("parquet", None)


def test_an_output_that_cannot_be_written_is_one_message(exported, pictures, tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        run(exported, [pictures], tmp_path, format="csv")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="a part of the path is a file"):
        run(exported, [pictures], tmp_path / "file" / "rows.csv")


def test_memory_that_runs_out_stops_the_run_and_drops_no_image(exported, pictures, tmp_path, monkeypatch):
    from pipeline.images.rejected import OutOfMemory
    from pipeline.stages.predict.classifiers import SavedModelClassifier, open_classifier

    def out_of_memory(**_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    classifier = open_classifier(exported[0].resolve(), "savedmodel")
    assert isinstance(classifier, SavedModelClassifier)
    monkeypatch.setattr(classifier, "_function", out_of_memory)
    with pytest.raises(OutOfMemory, match="out of memory: 13 image.*--batch-size"):
        run(exported, [pictures], tmp_path / "rows.csv")
    assert not list(tmp_path.iterdir())


def test_a_folders_raw_files_are_rows_that_say_what_to_do(tmp_path):
    for name in ("a.png", "b.DNG", "c.mov", "d.txt"):
        (tmp_path / name).write_bytes(b"II*\0")
    entries = {Path(entry.path).name: entry.problem for entry in find_entries([str(tmp_path)])}
    assert entries == {"a.png": "", "b.DNG": "camera RAW files are not read: export as JPEG or TIFF"}


def test_a_working_folder_names_its_model(tmp_path):
    settings = "# Written by ganpipe\nseed: 3\ntrain: {recipe: sgan}\n"
    (tmp_path / "config.yaml").write_text(settings)
    (tmp_path / "x.png").touch()
    arguments = ["predict", str(tmp_path / "x.png"), "--workdir", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3 and f"{tmp_path}/seed-3/sgan/export/classifier" in result.stderr
    result = CliRunner().invoke(main, [*arguments, "--model", str(tmp_path)])
    assert result.exit_code == 2 and "give one of them" in result.stderr
