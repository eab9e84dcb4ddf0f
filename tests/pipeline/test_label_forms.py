"""Label files as people have them: columns, formats and paths of many kinds, and files of any size."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from pipeline.chain.config import load_config
from pipeline.errors import DataError, UsageError
from pipeline.sources.catalog import open_source
from pipeline.sources.files import InputFile
from pipeline.sources.further_columns import MOST_VALUES
from pipeline.sources.label_file import read_label_files
from pipeline.sources.label_paths import find_label_files

IMAGES = ("a.png", "b.png", "cats/c.png", "d.png")
WANTED = {"a.png": "cat", "b.png": "", "cats/c.png": "big, red"}
ROWS = [("a.png", "cat", "north"), ("b.png", "", ""), ("cats/c.png", "big, red", "south")]


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)
    Image.fromarray(values).save(path)


def written(path, names, rows=ROWS):
    """Writes rows in the form that the ending of a file's name says."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.table({n: [row[i] for row in rows] for i, n in enumerate(names)}), path)
    elif path.suffix in (".jsonl", ".ndjson", ".json"):
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            sign = {".tsv": "\t", ".txt": ";"}.get(path.suffix, ",")
            csv.writer(file, delimiter=sign).writerows([names, *rows])
    return path


def read(*paths, images=IMAGES, root=None, columns=None, classes=()):
    files = [InputFile.of(path) for path in paths]
    return read_label_files(files, images=images, root=root, columns=columns, classes=classes)


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "jsonl", "ndjson", "json", "parquet"])
@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("path", "label", "site"), None),
        (("Image", "TARGET", "site"), None),
        (("file name", "category", "site"), None),
        (("image_id", "class", "site"), None),
        (("Datei", "Art", "site"), "Datei,art"),
    ],
)
def test_every_form_of_the_same_rows_reads_the_same(tmp_path, ending, names, columns):
    table = read(written(tmp_path / f"labels.{ending}", names), columns=columns)
    assert table.labels == WANTED
    assert dict(table.further.rows(table.images))["cats/c.png"] == ("south",)
    plain = read(written(tmp_path / "plain.csv", ("path", "label", "site")))
    assert table.further.columns == plain.further.columns


def test_path_and_label_come_before_their_other_names_which_are_then_further_columns(tmp_path):
    rows = [("a.png", "x.png", "cat", "animal")]
    table = read(written(tmp_path / "labels.csv", ("path", "file", "label", "class"), rows))
    assert table.labels == {"a.png": "cat"} and table.further.names == ("file", "class")


def test_columns_by_number_are_those_of_a_file_without_a_header(tmp_path):
    file = tmp_path / "val_annotations.txt"
    file.write_text("a.png\tn01443537\t0\t62\nb.png\tn01629819\t3\t9\n")
    assert read(file, columns="1,2").labels == {"a.png": "n01443537", "b.png": "n01629819"}
    with pytest.raises(DataError, match=r"too few columns \(2\): line 1"):
        read(file, columns="1,9")


def test_values_of_json_and_parquet_become_texts(tmp_path):
    (tmp_path / "labels.jsonl").write_text(
        '{"path": "a.png", "label": 3, "ok": true}\n\n{"label": null, "path": "b.png"}\n'
        '{"path": "cats/c.png", "label": 3.0}\n{"path": "d.png", "label": ["x"]}\n[1]\n{"path": \n'
    )
    with pytest.raises(DataError) as caught:
        read(tmp_path / "labels.jsonl")
    assert "neither text nor number (1): row 5: ['x']" in str(caught.value)
    assert "no JSON object (2): line 6" in str(caught.value)
    table = pa.table(
        {"image": ["a.png", "b.png"], "label": [7, None], "box": [[1], [2]], "raw": [b"x", b"y"]}
    )
    parquet.write_table(table, tmp_path / "labels.parquet")
    assert read(tmp_path / "labels.parquet").labels == {"a.png": "7", "b.png": ""}
    (tmp_path / "broken.parquet").write_bytes((tmp_path / "labels.parquet").read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(tmp_path / "broken.parquet")


@pytest.mark.parametrize("indent", [None, 1])
def test_coco_and_other_json_documents_are_refused_with_what_to_do(tmp_path, indent):
    file = tmp_path / "instances.json"
    coco = {
        "info": {},
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]}],
        "categories": [{"id": 2, "name": "cat"}],
    }
    file.write_text(json.dumps(coco, indent=indent))
    with pytest.raises(DataError, match=r"COCO annotations: boxes.*images\[\].file_name and the name"):
        read(file)
    file.write_text(json.dumps([{"path": "a.png", "label": "cat"}], indent=1))
    with pytest.raises(DataError, match="JSON, but not an object a line"):
        read(file)


def test_paths_are_found_in_the_forms_that_people_have(tmp_path):
    root, elsewhere = tmp_path / "photos", tmp_path / "lists"
    elsewhere.mkdir()
    forms = [
        "./a.png",
        str(root / "b.png"),
        "/mnt/other/photos/cats/c.png",
        "photos/d.png",
        "../photos/e.png",
    ]
    forms += ["/f.png", "C:\\data\\photos\\g.png", "cats\\h.png", "cats/i", "j", "k.png"]
    images = ["a.png", "b.png", "cats/c.png", "d.png", "e.png", "f.png", "g.png", "cats/h.png", "cats/i.png"]
    images += ["deep/j.jpeg", "deep/er/k.png"]
    file = written(
        elsewhere / "labels.csv", ("path", "label"), [(form, str(n)) for n, form in enumerate(forms)]
    )
    labels = read(file, images=images, root=root).labels
    assert labels == {image: str(number) for number, image in enumerate(images)}


def test_a_name_of_several_images_is_not_guessed_unless_the_file_is_called_like_one_folder(tmp_path):
    images = ("train_images/1.jpg", "test_images/1.jpg", "train_images/2.jpg")
    rows = [("1", "cat"), ("2", "dog")]
    kaggle = written(tmp_path / "train.csv", ("id", "label"), rows)
    assert read(kaggle, images=images).labels == {"train_images/1.jpg": "cat", "train_images/2.jpg": "dog"}
    with pytest.raises(DataError, match=r"several images of the folder have .*\(1\): line 2: '1'"):
        read(written(tmp_path / "labels.csv", ("id", "label"), rows), images=images)
    same = tuple(f"{n}/1.png" for n in range(200)) + ("train/1.png",)
    with pytest.raises(DataError, match="several images"):
        read(kaggle, images=same)


def test_several_files_are_one(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    first = written(folder / "1.csv", ("path", "label", "site"), ROWS[:1])
    second = written(folder / "2.jsonl", ("file", "class", "camera"), [("d.png", "dog", "old")])
    for text in (str(folder), str(folder / "*"), f"{first},{second}"):
        table = read_label_files(find_label_files(text), images=IMAGES)
        assert table.labels == {"a.png": "cat", "d.png": "dog"}
        assert dict(table.further.rows(table.images))["d.png"] == ("", "old")
    with pytest.raises(DataError, match=r"line 2: 'a.png', also in line 2 of '1.csv'"):
        read(first, written(tmp_path / "3.csv", ("path", "label"), [("a.png", "dog")]))
    odd = written(tmp_path / "one,two.csv", ("path", "label"), ROWS[:1][0:0])
    assert [file.path for file in find_label_files(str(odd))] == [odd]
    (tmp_path / "empty").mkdir()
    for text, message in (
        (tmp_path / "empty", "holds no label file"),
        (tmp_path / "*.no", "no file matches"),
    ):
        with pytest.raises(DataError, match=message):
            find_label_files(str(text))


def test_the_paths_of_several_files_are_whole_in_what_a_folder_remembers(tmp_path, monkeypatch):
    from pipeline.chain.config import as_document, places_in

    monkeypatch.chdir(tmp_path)
    config = load_config(options={"data.labels": "a.csv, b.csv", "data.dataset": "folder:x"})
    both = f"{tmp_path}/a.csv,{tmp_path}/b.csv"
    assert as_document(config)["data"]["labels"] == both
    assert {f"{tmp_path}/a.csv", f"{tmp_path}/b.csv"} <= set(places_in(config))


def test_wrong_columns_are_said(tmp_path):
    file = written(tmp_path / "labels.csv", ("id", "breed"), [("a", "pug")])
    with pytest.raises(DataError, match="if 'breed' is the label, say --label-columns id,breed"):
        read(file)
    assert read(file, columns="id,breed").labels == {"a.png": "pug"}
    with pytest.raises(
        DataError, match=r"no column 'bred', which --label-columns names \(did you mean 'breed'"
    ):
        read(file, columns="id,bred")
    for wrong in ("id", "a,b,c", "id,"):
        with pytest.raises(UsageError, match=r"label_columns must be two names of columns.*got"):
            load_config(options={"data.label_columns": wrong})
    with pytest.raises(UsageError, match="belongs to folder:PATH"):
        open_source("digits", label_columns="a,b")


def test_a_file_takes_no_more_memory_than_its_images_do(tmp_path, monkeypatch):
    # a digest reads a block at a time, of a small file all of it
    monkeypatch.setattr(InputFile, "sha256", lambda file: "")
    # ten times the rows, of which no more match: what is kept is the same
    images = tuple(f"{n}.png" for n in range(500))
    peaks = []
    for rows in (2_000, 20_000):
        file = tmp_path / f"{rows}.csv"
        with file.open("w") as out:
            out.write("path,label,site\n")
            out.writelines(f"{n}.png,{'cat' if n % 2 else 'dog'},{n}\n" for n in range(rows))
        tracemalloc.start()
        with pytest.raises(DataError, match=rf"of no image in the folder \({rows - 500:,}\)"):
            read(file, images=images)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000


def test_hostile_files_cost_little(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_bytes(b"path,label\n" + b"x" * (5 << 20) + b"\na.png,cat\n")
    tracemalloc.start()
    with pytest.raises(DataError, match=r"lines of more than 1 MiB \(1\): line 2"):
        read(file)
    assert tracemalloc.get_traced_memory()[1] < 30 << 20
    tracemalloc.stop()
    # a quote that is never closed, then very many rows: they are read all the same
    text = io.StringIO()
    text.write('path,label\n"a.png,cat\n')
    text.writelines(f"no-{n}.png,cat\n" for n in range(20_000))
    file.write_text(text.getvalue())
    with pytest.raises(
        DataError, match=r"(?s)line 2: a quote that is not closed.*no image in the folder \(20,000\)"
    ):
        read(file)
    file.write_text('{"path": "a.png", ' + '"x": [' * 100_000 + "\n")
    with pytest.raises(DataError, match="JSON"):
        read(file)
    file.write_text("path,label\n" + "a.png\0,cat\n../../etc/passwd,cat\n")
    with pytest.raises(DataError, match="not relative to the image folder"):
        read(file)


def test_columns_of_too_many_values_are_left_out_with_a_word(tmp_path):
    images = tuple(f"{n}.png" for n in range(MOST_VALUES + 1))
    rows = [(image, "cat", str(n), str(n % 2), "") for n, image in enumerate(images)]
    table = read(written(tmp_path / "l.csv", ("path", "label", "time", "site", "none"), rows), images=images)
    assert table.further.names == ("site",)
    assert table.further.left_out == {"time": f"more than {MOST_VALUES} values"}


def test_imagenets_flat_validation_folder_gets_its_labels_from_a_file(tmp_path):
    for n in range(4):
        picture(tmp_path / "train" / f"n0{n % 2}" / "images" / f"n0{n % 2}_{n}.JPEG", n)
        picture(tmp_path / "val" / "images" / f"val_{n}.JPEG", 10 + n)
    with pytest.raises(
        DataError, match=r"of the validation split's folders 'images' none is a class.*--test-labels"
    ):
        open_source(f"folder:{tmp_path}")
    labels = tmp_path / "val" / "val_annotations.txt"
    labels.write_text("".join(f"val_{n}.JPEG\tn0{n % 2}\t0\t1\n" for n in range(3)))
    source = open_source(f"folder:{tmp_path}", test_labels=str(labels), label_columns="1,2")
    assert source.class_names() == ("n00", "n01") and source.splits() == {"train": 4, "test": 4}
    assert [label for _, label in source.labels("test")] == [0, 1, 0, -1]
    labels.write_text("val_0.JPEG\tn07\n")
    with pytest.raises(DataError, match="'n07', a class without an image to train on"):
        open_source(f"folder:{tmp_path}", test_labels=str(labels), label_columns="1,2")
