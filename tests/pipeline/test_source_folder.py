"""folder:PATH: labels by sub-folder or by label file, and nothing outside of the folder."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import DataError, UsageError
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.urls import Url
from pipeline.sources.catalog import open_source
from pipeline.sources.image_tree import ImageFile
from pipeline.sources.packed_files import PackedFiles


def picture(path: Path, seed: int = 0, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    path.write_bytes(buffer.getvalue())
    return path


def labels_of(source, split="train"):
    names = (*source.class_names(), None)
    return {item.place: names[item.label] for item in source.read(split, 0, source.splits()[split])}


def test_sub_folders_are_classes_and_images_elsewhere_are_unlabelled(tmp_path):
    for number, name in enumerate(["cat/1.png", "cat/deep/2.JPG", "dog/1.gif", "unlabelled/3.bmp", "4.jpeg"]):
        kind = {"png": "PNG", "gif": "GIF", "bmp": "BMP"}.get(name.split(".")[1], "JPEG")
        picture(tmp_path / name, number, kind)
    picture(tmp_path / ".hidden" / "5.png")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    source = open_source(f"folder:{tmp_path}")
    assert labels_of(source) == {
        "4.jpeg": None,
        "cat/1.png": "cat",
        "cat/deep/2.JPG": "cat",
        "dog/1.gif": "dog",
        "unlabelled/3.bmp": None,
    }
    assert list(labels_of(source)) == sorted(labels_of(source))


def test_the_pictures_of_a_run_in_the_folder_are_none_of_its_images(tmp_path):
    picture(tmp_path / "cat" / "1.png", 1)
    picture(tmp_path / "dog" / "2.png", 2)
    before = open_source(f"folder:{tmp_path}").digest()
    for workdir in (tmp_path, tmp_path / "ganpipe-run"):
        picture(workdir / "seed-12" / "ssgan" / "train" / "samples" / "step-00000500.png", 3)
        (workdir / "ganpipe.log").touch()
    source = open_source(f"folder:{tmp_path}")
    assert labels_of(source) == {"cat/1.png": "cat", "dog/2.png": "dog"} and source.digest() == before
    # a class may have any name
    picture(tmp_path / "dog" / "seed-1" / "3.png", 4)
    assert "dog/seed-1/3.png" in labels_of(open_source(f"folder:{tmp_path}"))


def test_classes_that_are_numbers_are_in_the_order_of_numbers(tmp_path):
    for name in ("10", "2", "1"):
        picture(tmp_path / name / "a.png")
    assert open_source(f"folder:{tmp_path}").class_names() == ("1", "2", "10")


def test_train_and_test_are_splits_and_test_alone_is_refused(tmp_path):
    picture(tmp_path / "test" / "cat" / "1.png")
    with pytest.raises(DataError, match="'test', which is named like a split.*sub-folder 'train'"):
        open_source(f"folder:{tmp_path}")
    picture(tmp_path / "train" / "cat" / "1.png")
    picture(tmp_path / "train" / "dog" / "1.png")
    picture(tmp_path / "unlabelled" / "1.png")
    source = open_source(f"folder:{tmp_path}")
    assert labels_of(source) == {
        "train/cat/1.png": "cat",
        "train/dog/1.png": "dog",
        "unlabelled/1.png": None,
    }
    assert labels_of(source, "test") == {"test/cat/1.png": "cat"}
    picture(tmp_path / "other" / "1.png")
    with pytest.raises(DataError, match="also the image 'other/1.png'"):
        open_source(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "val"), {"train", "validation"}),
        (("Train", "Test"), {"train", "test"}),
        (("TRAINING", "valid", "test"), {"train", "validation", "test"}),
        (("train", "Validation", "unlabelled"), {"train", "validation"}),
        (("training",), {"train"}),
    ],
)
def test_known_names_are_splits_in_any_case(tmp_path, folders, splits):
    for folder in folders:
        for name in ("cat", "dog"):
            picture(tmp_path / folder / name / "1.png")
    source = open_source(f"folder:{tmp_path}")
    assert set(source.splits()) == splits
    assert source.class_names() == ("cat", "dog")
    assert set(labels_of(source).values()) - {None} == {"cat", "dog"}


def test_a_class_may_be_called_like_a_split(tmp_path):
    for name in ("train", "bus", "plane"):
        picture(tmp_path / name / "1.png")
    assert open_source(f"folder:{tmp_path}").class_names() == ("bus", "plane", "train")


def test_two_folders_for_one_split_are_refused(tmp_path):
    for folder in ("train", "val", "valid"):
        picture(tmp_path / folder / "cat" / "1.png")
    with pytest.raises(DataError, match="two folders for the validation split, 'val' and 'valid'"):
        open_source(f"folder:{tmp_path}")


def test_class_folders_that_repeat_the_same_sub_folders_are_refused_with_a_hint(tmp_path):
    for site in ("north", "south"):
        for name in ("cat", "dog"):
            picture(tmp_path / "photos" / site / name / "1.png")
    with pytest.raises(
        DataError, match="'north', 'south' all hold the same sub-folders 'cat', 'dog'.*--classes"
    ):
        open_source(f"folder:{tmp_path / 'photos'}")
    listed = open_source(f"folder:{tmp_path / 'photos'}", classes=("south", "north"))
    assert listed.class_names() == ("south", "north")
    labels = write_labels(tmp_path, "path,label\nnorth/cat/1.png,north\nsouth/cat/1.png,south\n")
    assert open_source(f"folder:{tmp_path / 'photos'}", labels=labels).class_names() == ("north", "south")
    # not the same in each: then they are just folders within a class
    picture(tmp_path / "photos" / "south" / "cow" / "1.png")
    assert open_source(f"folder:{tmp_path / 'photos'}").class_names() == ("north", "south")


def write_labels(tmp_path: Path, text: str | bytes) -> str:
    file = tmp_path / "labels.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


@pytest.fixture
def flat(tmp_path):
    folder = tmp_path / "images"
    for number, name in enumerate(["a.png", "b.png", "c c.png", "d.png"]):
        picture(folder / name, number)
    return folder


def test_a_label_file_gives_the_labels(flat, tmp_path):
    labels = write_labels(tmp_path, "\ufeffwho, Path ,LABEL\nme,./a.png,cat\n\nyou,c c.png,\nme,d.png,ant\n")
    assert labels_of(open_source(f"folder:{flat}", labels=labels)) == {
        "a.png": "cat",
        "b.png": None,
        "c c.png": None,
        "d.png": "ant",
    }


def test_with_a_label_file_sub_folders_mean_nothing(flat, tmp_path):
    picture(flat / "dog" / "e.png")
    labels = write_labels(tmp_path, "path,label\ndog/e.png,cat\n")
    assert open_source(f"folder:{flat}", labels=labels).class_names() == ("cat",)


def test_the_mistakes_of_a_label_file_are_those_of_the_source(flat, tmp_path):
    with pytest.raises(DataError, match=r"paths of no image .*did you mean 'a.png'\?"):
        open_source(f"folder:{flat}", labels=write_labels(tmp_path, "path,label\na.pgn,cat\n"))


@pytest.mark.parametrize(
    "name", ["Unlabelled", "_unlabeled", "UN-LABELLED", "No Label", "nolabel", "not_labelled"]
)
def test_a_folder_of_unlabelled_images_is_known_in_many_spellings(tmp_path, name):
    for folder in ("cat", "dog", name):
        picture(tmp_path / folder / "1.png")
    source = open_source(f"folder:{tmp_path}")
    assert source.class_names() == ("cat", "dog")
    assert labels_of(source)[f"{name}/1.png"] is None


def test_more_folders_can_be_said_to_be_unlabelled_and_must_be_there(tmp_path):
    for folder in ("train/cat", "train/dog", "train/trip", "test/cat", "inbox"):
        picture(tmp_path / folder / "1.png")
    source = open_source(f"folder:{tmp_path}", unlabelled_folders=("Trip", "inbox"))
    assert source.class_names() == ("cat", "dog")
    assert labels_of(source)["train/trip/1.png"] is None and labels_of(source)["inbox/1.png"] is None
    with pytest.raises(DataError, match=r"no sub-folder 'tripp'.*--unlabelled-folders.*'trip'\?"):
        open_source(f"folder:{tmp_path}", unlabelled_folders=("tripp", "inbox"))


def test_listed_classes_keep_their_order_and_all_other_folders_are_unlabelled(tmp_path):
    for folder in ("cat", "dog", "dgo", "unlabelled"):
        picture(tmp_path / folder / "1.png")
    source = open_source(f"folder:{tmp_path}", classes=("dog", "cat"))
    assert source.class_names() == ("dog", "cat")
    assert labels_of(source)["dgo/1.png"] is None and dict(source.passed_over) == {"dgo": 1}
    # what is listed is a class, whatever its name
    assert labels_of(open_source(f"folder:{tmp_path}", classes=("unlabelled", "cat")))["unlabelled/1.png"]
    with pytest.raises(UsageError, match="'dog' stands both in --classes and in --unlabelled-folders"):
        open_source(f"folder:{tmp_path}", classes=("dog", "cat"), unlabelled_folders=("dog",))
    for option in ({"classes": ("1", "2")}, {"unlabelled_folders": ("1",)}):
        flag = "--" + next(iter(option)).replace("_", "-")
        with pytest.raises(UsageError, match=f"{flag} belongs to folder:PATH; the data set is 'digits'"):
            open_source("digits", **option)


def test_a_listed_class_may_be_called_like_a_split(tmp_path):
    for folder in ("train", "test"):
        picture(tmp_path / folder / "x" / "1.png")
    assert set(open_source(f"folder:{tmp_path}").splits()) == {"train", "test"}
    assert set(open_source(f"folder:{tmp_path}", classes=("train", "test")).splits()) == {"train"}


def test_a_label_file_or_folder_that_is_not_there(flat, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        open_source(f"folder:{flat}", labels=str(tmp_path / "nope.csv"))
    with pytest.raises(DataError, match="no such folder"):
        open_source(f"folder:{tmp_path / 'nope'}")
    with pytest.raises(DataError, match="is not a folder"):
        open_source(f"folder:{flat / 'a.png'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        open_source(f"folder:{tmp_path / 'empty'}")


def test_links_that_leave_the_folder_are_problems_and_are_not_read(flat, tmp_path):
    outside = picture(tmp_path / "secret" / "s.png", 7)
    (flat / "out.png").symlink_to(outside)
    (flat / "nowhere.png").symlink_to(tmp_path / "nothing")
    (flat / "folder").symlink_to(outside.parent)
    (flat / "inside.png").symlink_to(flat / "a.png")
    source = open_source(f"folder:{flat}")
    items = {item.place: item for item in source.read("train", 0, source.splits()["train"])}
    assert {key for key, item in items.items() if item.problem} == {"out.png", "nowhere.png", "folder"}
    assert all(item.encoded is None for item in items.values() if item.problem)
    assert items["inside.png"].checksum == items["a.png"].checksum


def test_a_link_laid_after_the_listing_is_not_followed(flat, tmp_path):
    source = open_source(f"folder:{flat}")
    (flat / "a.png").unlink()
    (flat / "a.png").symlink_to(picture(tmp_path / "s.png"))
    (flat / "b.png").unlink()
    problems = {item.place: item.problem for item in source.read("train", 0, 4)}
    assert "leaves the folder" in problems["a.png"] and "gone" in problems["b.png"]
    assert problems["d.png"] is None


def test_names_that_are_no_text_and_things_that_are_no_files(flat):
    (flat / "two\nlines.png").write_bytes((flat / "a.png").read_bytes())
    Path(os.fsdecode(os.fsencode(str(flat)) + b"/\xff.png")).write_bytes(b"")
    picture(flat / "at 9\u202fAM \u00e9.png", 5)
    os.mkfifo(flat / "pipe.png")
    source = open_source(f"folder:{flat}")
    problems = {item.place: item.problem for item in source.read("train", 0, source.splits()["train"])}
    assert "one line" in problems["two\\nlines.png"] and "one line" in problems["\\xff.png"]
    assert problems["pipe.png"] == "not a regular file"
    assert problems["at 9\u202fAM \u00e9.png"] is None
    assert source.digest()


def test_the_digest_tells_a_changed_image_and_a_changed_label(flat, tmp_path):
    labels = write_labels(tmp_path, "path,label\na.png,cat\n")
    first = open_source(f"folder:{flat}", labels=labels).digest()
    assert first == open_source(f"folder:{flat}", labels=labels).digest()
    write_labels(tmp_path, "path,label\na.png,cow\n")
    second = open_source(f"folder:{flat}", labels=labels).digest()
    picture(flat / "d.png", 99)
    assert len({first, second, open_source(f"folder:{flat}", labels=labels).digest()}) == 3


def test_folders_in_which_nothing_lies_are_told(tmp_path):
    picture(tmp_path / "cat" / "1.png", 1)
    for name in ("dog", "bird/deep", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "dog" / ".DS_Store").touch()
    assert open_source(f"folder:{tmp_path}").empty_folders == ("bird/deep", "dog")


def test_packed_files_are_the_files():
    files = [
        (ImageFile("a/été 1.png"), 3),
        (ImageFile("b.jpg", problem="gone"), -1),
        (ImageFile("c/2.png"), 0),
        (ImageFile("d.png", remote=RemoteFile(Url("s3", "b/d.png"), "d.png", 7, "x")), 1),
    ]
    packed = pickle.loads(pickle.dumps(PackedFiles.of(iter(files))))  # noqa: S301
    assert len(packed) == 4 and list(packed) == files
    for start in range(5):
        for stop in range(start, 6):
            assert list(packed.span(start, stop)) == files[start:stop]
