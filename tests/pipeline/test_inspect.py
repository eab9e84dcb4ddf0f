"""`ganpipe inspect`: it finds what was put there, says what comes next, and writes nothing but its page."""

import io
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.inspecting.hashes import SIDE, grey, near_pairs, perceptual_hash, small_copy
from pipeline.inspecting.sample import BLOCK, ranges


def photo(seed, size=(48, 40)):
    """A smooth picture, as photos are."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder in which something of each kind is wrong."""
    root = tmp_path_factory.mktemp("inspected") / "photos"
    for split, first in (("train", 0), ("test", 100)):
        for number in range(6):
            folder = root / split / ("cat", "dog")[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            photo(first + number).save(folder / f"{number}.png")
    train, test = root / "train", root / "test"
    photo(0).save(train / "cat" / "copy.png")
    photo(1).save(train / "cat" / "also a dog.png")
    photo(2).save(test / "cat" / "leaked.png")
    photo(3).resize((96, 80), Image.Resampling.BICUBIC).save(test / "dog" / "larger.jpg", quality=90)
    photo(4).save(train / "dog" / "again.jpg", quality=85)
    Image.new("RGB", (48, 40), (9, 9, 9)).save(train / "dog" / "black.png")
    photo(50, (6, 90)).save(train / "dog" / "narrow.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(51).save(train / "cat" / "turned.jpg", exif=exif)
    photo(52).convert("L").save(train / "cat" / "grey.png")
    (train / "cat" / "broken.png").write_bytes((train / "cat" / "0.png").read_bytes()[:70])
    (train / "cat" / "raw.nef").write_bytes(b"II*\0")
    (root / "notes.txt").write_text("none")
    return root


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def invoked(*arguments, code=0):
    result = CliRunner().invoke(main, ["inspect", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.stderr
    return result


def test_it_finds_what_is_wrong_and_writes_nothing(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = files(tree)
    result = invoked(tree, "--json")
    assert files(tree) == before and list(tmp_path.iterdir()) == []
    found = json.loads(result.stdout)
    assert found["images"] == found["looked_at"] == 22 and not found["sampled"]
    assert found["classes"] == {"cat": {"train": 8, "test": 4}, "dog": {"train": 6, "test": 4}}
    assert found["splits"]["test"] == {"images": 8, "labelled": 8}
    assert found["duplicates"]["images"] == 3
    (across,) = found["across_splits"]["first"]
    assert found["across_splits"]["images"] == 1
    assert set(across) == {"train/cat/2.png", "test/cat/leaked.png"}
    assert {frozenset(group) for group in found["under_two_labels"]["first"]} == {
        frozenset(("train/dog/1.png", "train/cat/also a dog.png"))
    }
    near = found["near_duplicates"]
    assert [set(pair) for pair in near["first_across_splits"]] == [{"train/dog/3.png", "test/dog/larger.jpg"}]
    assert [set(pair) for pair in near["first"]] == [{"train/cat/4.png", "train/dog/again.jpg"}]
    for name, place in (("constant", "dog/black"), ("tiny", "dog/narrow"), ("turned", "cat/turned")):
        assert found[name]["count"] == 1 and place in found[name]["first"][0]
    assert found["modes"] == {"colour": 20, "grey": 1} and found["formats"] == {"PNG": 18, "JPEG": 3}
    (skipped,) = found["skipped"]
    assert skipped["first"] == ["train/cat/broken.png"] and "damaged" in skipped["kind"]
    assert [(row["kind"], row["count"]) for row in found["aside"]] == [("camera RAW", 1), (".txt", 1)]
    for words in (
        "1 held-out image(s) have the same pixels as a training image",
        "nearly the same picture lie in different splits",
        "turned by their Exif orientation",
        "will be skipped",
        "camera RAW are not read: export as JPEG or TIFF",
    ):
        assert words in result.stderr
    # an image of another size: the command says which the records get
    assert found["next"] == f"ganpipe run --dataset folder:{tree} --image-size 64"
    assert found["estimate"]["record"] == [64, 64, 3] and found["estimate"]["disk_bytes"] > 21 * 1000


def test_the_contact_sheet_is_one_page_with_pictures(tree, tmp_path):
    page = tmp_path / "new folder" / "sheet.html"
    invoked(tree, "--html", page, "--quiet")
    text = page.read_text()
    # no address but data: the page needs no network
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    pictures = text.count("<img ")
    assert pictures == 2 * 10 + 2 * 2 + 3 and text.count("data:image/") == pictures
    assert "train/cat/broken.png" in text and "also a dog.png" in text
    # its own page is replaced, another's is not
    invoked(tree, "--html", page, "--quiet")
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine</p>")
    said = invoked(tree, "--html", mine, code=2).stderr
    assert "is there already, and is no contact sheet" in said and mine.read_text() == "<p>mine</p>"


def test_hostile_names_are_text_on_the_page(tmp_path):
    root = tmp_path / "photos"
    for name in ("<script>alert(1)</script>"[:-9] + "x", "b"):
        (root / name).mkdir(parents=True)
        for number in range(2):
            photo(number + len(name)).save(root / name / f"{number}.png")
    invoked(root, "--html", tmp_path / "sheet.html", "--quiet")
    assert "<script" not in (tmp_path / "sheet.html").read_text()


def test_labels_options_and_mistakes_are_those_of_a_run(tree, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for number in range(4):
        photo(number).save(flat / f"{number}.png")
    labels = tmp_path / "labels.csv"
    labels.write_text("id,kind,site\n" + "".join(f"{n},{'ab'[n % 2]},s{n}\n" for n in range(3)))
    arguments = (f"folder:{flat}", "--labels", labels, "--label-columns", "id,kind")
    result = invoked(*arguments, "--json")
    found = json.loads(result.stdout)
    assert found["columns"] == {"site": ["s0", "s1", "s2"]}
    assert found["splits"] == {"train": {"images": 4, "labelled": 3}}
    assert found["next"].endswith(f"--labels {labels} --label-columns id,kind")
    assert "1 image only" not in result.stderr and "one image only" in result.stderr
    assert "Write a label file" in invoked(flat).stderr
    assert "no such folder" in invoked(f"folder:{tmp_path / 'gone'}", code=3).stderr
    assert "unknown data set 'digit'. Did you mean 'digits'?" in invoked("digit", code=2).stderr
    assert "inspect.sample must be a whole number from 1" in invoked("digits", "--sample", "0", code=2).stderr
    for number in range(4):
        (flat / f"{number}.png").write_bytes(b"no picture")
    assert "no image that can be used" in invoked(flat, code=3).stderr


@pytest.mark.parametrize("most", [1, 500, 5_000, 10**9])
def test_a_sample_is_spread_over_all_and_no_larger_than_asked(most):
    splits = {"train": 60_000, "test": 10_001, "certify": 3, "validation": 0}
    parts = list(ranges(splits, most))
    taken = {split: [range(start, stop) for name, start, stop in parts if name == split] for split in splits}
    numbers = {split: [n for part in found for n in part] for split, found in taken.items()}
    assert all(len(set(found)) == len(found) for found in numbers.values())
    assert all(0 <= n < splits[split] for split, found in numbers.items() for n in found)
    assert sum(map(len, numbers.values())) <= min(most, sum(splits.values())) + BLOCK * len(splits)
    assert all(numbers[split] for split in ("train", "test", "certify"))
    if most == 5_000:
        # no stretch as long as a tenth is left out
        assert np.diff(numbers["train"]).max() < 6_000 and max(numbers["train"]) > 54_000


def test_a_sample_is_said_to_be_one():
    found = invoked("digits", "--sample", "200", "--json")
    document = json.loads(found.stdout)
    assert document["sampled"] and document["looked_at"] <= 264 and document["images"] == 1_797
    assert "a sample" in found.stderr
    # the classes are counted in all
    assert sum(sum(counts.values()) for counts in document["classes"].values()) == 1_797


def test_pictures_that_look_the_same_are_found_whatever_was_done_to_them():
    def known(images):
        pictures = [grey(np.asarray(image), SIDE) for image in images]
        return [perceptual_hash(one) for one in pictures], np.stack([small_copy(one) for one in pictures])

    others = [photo(seed) for seed in range(100, 160)]
    for change in ("jpeg", "smaller", "brighter"):
        changed = photo(100)
        if change == "jpeg":
            buffer = io.BytesIO()
            changed.save(buffer, "JPEG", quality=60)
            changed = Image.open(buffer)
        elif change == "smaller":
            changed = changed.resize((31, 27), Image.Resampling.BICUBIC)
        else:
            changed = changed.point(lambda value: min(255, value + 4))
        assert list(near_pairs(*known([*others, changed]))) == [(0, 60)]
    # a folder full of one picture costs no more than so many comparisons
    pairs = list(near_pairs(*known([photo(1)] * 400)))
    assert len(pairs) == len(set(pairs)) <= 100 * 99 // 2
