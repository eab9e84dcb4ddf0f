"""Preprocess on image files: formats, sizes and channels; and bad input, each with one clear message."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.chain.config import load_config
from pipeline.errors import DataError, UsageError, exit_code
from pipeline.images import formats
from pipeline.images.decoding import decode, record_images
from pipeline.images.rejected import Rejected
from pipeline.provenance import places_of, read_provenance
from pipeline.sources.catalog import open_source
from pipeline.stages.preprocess import stage as preprocess
from pipeline.stages.preprocess.accounting import LINES, in_words, total
from pipeline.stages.preprocess.document import image_shape, sizes_in_words
from pipeline.stages.preprocess.findings import Sizes
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal
from ssgan_tf import pixels
from ssgan_tf.framing import Framing
from ssgan_tf.records import DatasetInfo, read_split


def colours(seed: int = 0, height: int = 12, width: int = 10) -> Image.Image:
    """A smooth picture, so that JPEG keeps it."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (3, 3, 3), np.uint8))
    return small.resize((width, height), Image.Resampling.BILINEAR)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tree(root: Path, count: int = 4, classes=("cat", "dog"), **size) -> Path:
    for number, name in enumerate(name for name in classes for _ in range(count)):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / f"{number}.png").write_bytes(encoded(colours(number, **size)))
    return root


def prepare(output: Path, folder: Path, **config):
    output.mkdir(exist_ok=True)
    stream = io.StringIO()
    settings = DataConfig(dataset=f"folder:{folder}", **{"labels_per_class": "all", "shards": 2, **config})
    document = preprocess.run(settings, seed=0, output=output, terminal=Terminal(stream))
    return document, stream.getvalue()


def places(out: Path, keys) -> list[str]:
    found = places_of(out, keys)
    return [found[key] for key in keys]


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.suffix != ".tfrecord"]


def test_a_tree_of_colour_images_keeps_its_size_and_colours(tmp_path):
    document, _ = prepare(tmp_path / "out", tree(tmp_path / "in"))
    assert document["image_shape"] == [12, 10, 3]
    assert document["class_names"] == ["cat", "dog"]
    info = DatasetInfo.load(tmp_path / "out")
    for split in ("train", "test"):
        read = read_split(info, split)
        assert not any("/" in key or "cat" in key for key in read.keys)
        for image, label, place in zip(
            read.images, read.labels, places(tmp_path / "out", read.keys), strict=True
        ):
            assert place.split("/")[0] == info.class_names[label]
            np.testing.assert_array_equal(image, np.asarray(Image.open(tmp_path / "in" / place)))


def test_records_are_made_by_the_code_of_the_served_graph(tmp_path):
    tree(tmp_path / "in", height=30, width=41)
    document, _ = prepare(tmp_path / "out", tmp_path / "in", image_size=16, channels=1, resize="fit")
    assert document["image_shape"] == [16, 16, 1]
    info = DatasetInfo.load(tmp_path / "out")
    assert info.framing == Framing("fit", 255)
    read = read_split(info, "train")
    # 12 rows of the picture between white ones
    assert (read.images[:, [0, 1, 14, 15]] == 255).all() and (read.images[:, 2:14] < 255).any((1, 2, 3)).all()

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def served(image_bytes):
        return pixels.to_size(pixels.decode(image_bytes, 1), 16, 16, info.framing)

    for image, place in zip(read.images, places(tmp_path / "out", read.keys), strict=True):
        raw = (tmp_path / "in" / place).read_bytes()
        np.testing.assert_array_equal(image, served(raw))


def test_a_block_is_resized_like_its_images_one_by_one():
    images = np.random.default_rng(0).integers(0, 256, (9, 31, 23, 3), np.uint8)
    block = record_images(images, (16, 16, 1))
    np.testing.assert_array_equal(block, [record_images(image[None], (16, 16, 1))[0] for image in images])


def test_images_of_several_sizes_or_of_a_larger_one_become_squares_of_64(tmp_path):
    tree(tmp_path / "in")
    (tmp_path / "in" / "cat" / "x.png").write_bytes(encoded(colours(9, 7, 8)))
    assert prepare(tmp_path / "out", tmp_path / "in")[0]["image_shape"] == [64, 64, 3]
    document, _ = prepare(tmp_path / "smaller", tmp_path / "in", image_size=8)
    assert document["image_shape"] == [8, 8, 3]


@pytest.mark.parametrize(("side", "expected"), [(64, 64), (65, 64), (224, 64)])
def test_the_size_of_records_follows_the_images_up_to_64(side, expected):
    sizes = Sizes()
    sizes.add(np.array([side]), np.array([side]), np.array([3]))
    assert image_shape(sizes, size=None, channels=None) == (expected, expected, 3)
    assert image_shape(sizes, size=96, channels=1) == (96, 96, 1)
    assert sizes_in_words(sizes) == f"{side} x {side}"


def test_grey_images_stay_grey_until_one_has_colour(tmp_path):
    for number in range(6):
        name = "ab"[number % 2]
        (tmp_path / "in" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name / f"{number}.png").write_bytes(encoded(colours(number).convert("L")))
    assert prepare(tmp_path / "one", tmp_path / "in")[0]["image_shape"] == [12, 10, 1]
    (tmp_path / "in" / "a" / "x.png").write_bytes(encoded(colours(9)))
    assert prepare(tmp_path / "two", tmp_path / "in")[0]["image_shape"] == [12, 10, 3]


GREY = colours().convert("L")
DEEP = Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)
BITS = colours().convert("1")
PALETTE = colours().quantize(32)
FRAMES = [colours(number).quantize(64) for number in (1, 2)]


def laid_on_white(image: Image.Image, transparent: int) -> Image.Image:
    """A palette image whose entry `transparent` shows white."""
    pixels = np.asarray(image.convert("RGB")).copy()
    pixels[np.asarray(image) == transparent] = 255
    return Image.fromarray(pixels)


FINE = {"quality": 95, "subsampling": 0}

KINDS = {
    "palette": (encoded(PALETTE), PALETTE, 0),
    "transparent": (encoded(PALETTE, transparency=0), laid_on_white(PALETTE, 0), 0),
    "rgba": (encoded(colours().convert("RGBA")), colours(), 0),
    "grey-alpha": (encoded(colours().convert("LA")), GREY, 0),
    "bits": (encoded(BITS), BITS, 0),
    "16-bit": (encoded(DEEP), GREY, 0),
    "bmp": (encoded(colours(), "BMP"), colours(), 0),
    "grey-bmp": (encoded(GREY, "BMP"), GREY, 0),
    "jpeg": (encoded(colours(), "JPEG", **FINE), colours(), 12),
    "progressive-jpeg": (encoded(colours(), "JPEG", progressive=True, **FINE), colours(), 12),
    "cmyk-jpeg": (encoded(colours().convert("CMYK"), "JPEG", **FINE), colours(), 40),
    "gif": (encoded(GREY, "GIF"), GREY, 0),
    "moving-gif": (encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), FRAMES[0], 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_picture_a_person_sees(kind):
    data, expected, tolerance = KINDS[kind]
    image = decode(data, 3)
    assert image.dtype == np.uint8
    difference = image.astype(int) - np.asarray(expected.convert("RGB"))
    assert np.abs(difference).max() <= tolerance


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes whose header claims `side` x `side` pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        + chunk(b"IEND", b"")
    )


def noise(kind: str) -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)), kind)


BAD = {
    "empty": (b"", "empty"),
    "text": (b"hello", "not a PNG, JPEG, BMP, GIF, WebP or TIFF"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(20), "HEIC images are read with|damaged"),
    "cut-png": (noise("PNG")[:2000], "damaged or cut off"),
    "cut-jpeg": (noise("JPEG")[:900], "damaged or cut off"),
    "cut-header": (noise("PNG")[:20], "damaged"),
    "bomb": (bomb(9_000), "9000 x 9000 pixels, more than"),
    "huge-bomb": (bomb(60_000), "60000 x 60000 pixels, more than"),
    "palette-bmp": (encoded(PALETTE, "BMP"), "store it as PNG"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_usable_image_is_refused_with_the_reason(kind):
    data, reason = BAD[kind]
    with pytest.raises(Rejected, match=reason):
        decode(data, 3)


def test_unreadable_images_among_good_ones_are_skipped_counted_and_listed(tmp_path):
    tree(tmp_path / "in")
    for kind, (data, _) in BAD.items():
        (tmp_path / "in" / "cat" / f"{kind}.png").write_bytes(data)
    (tmp_path / "in" / "cat" / "link.png").symlink_to("/etc/hostname")
    document, said = prepare(tmp_path / "out", tmp_path / "in")
    rejected = read_provenance(tmp_path / "out")["rejected"]
    assert document["rejected"] == len(rejected)
    assert {entry["place"] for entry in rejected} == {f"cat/{kind}.png" for kind in [*BAD, "link"]}
    for entry in rejected:
        assert str(tmp_path) not in entry["reason"] and "0x" not in entry["reason"]
    assert sum(split["count"] for split in document["splits"].values()) == 8
    assert f"{len(BAD) + 1} image(s) skipped" in said
    assert set(left_in(tmp_path / "out")) == {
        "dataset.json", "labelled.txt", "provenance", "images.csv", "schema.json", "source.json"
    }  # fmt: skip


def test_strict_fails_on_the_first_unreadable_image_and_names_it(tmp_path):
    tree(tmp_path / "in", count=300, height=4, width=4)
    for name in ("cat/50.png", "dog/590.png"):
        (tmp_path / "in" / name).write_bytes(b"?")
    with pytest.raises(DataError, match="'cat/50.png' cannot be used: not a PNG") as caught:
        prepare(tmp_path / "out", tmp_path / "in", strict=True)
    assert exit_code(caught.value) == 3
    assert left_in(tmp_path / "out") == []


@pytest.mark.timeout(200)
def test_the_message_of_a_worker_process_is_the_same(tmp_path):
    tree(tmp_path / "in")
    (tmp_path / "in" / "cat" / "x.png").write_bytes(b"?")
    with pytest.raises(
        DataError, match="'cat/x.png' cannot be used: not a PNG, JPEG, BMP, GIF, WebP or TIFF image.$"
    ):
        prepare(tmp_path / "out", tmp_path / "in", strict=True, runner="multi_processing", workers=1)


def test_only_unreadable_images(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.png").write_bytes(b"?")
    with pytest.raises(DataError, match="no usable training image; the first: 'x.png': not a PNG"):
        prepare(tmp_path / "out", tmp_path / "in")


def test_labels_from_a_file_and_unlabelled_images(tmp_path):
    tree(tmp_path / "in")
    rows = [f"{path.parent.name}/{path.name},{path.parent.name}" for path in (tmp_path / "in").rglob("*.png")]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows, ""]))
    (tmp_path / "in" / "new.png").write_bytes(encoded(colours(77)))
    labels = str(tmp_path / "labels.csv")
    document, _ = prepare(tmp_path / "out", tmp_path / "in", labels=labels, labels_per_class=None)
    assert document["draw"]["method"] == "all"
    read = read_split(DatasetInfo.load(tmp_path / "out"), "train")
    assert dict(zip(places(tmp_path / "out", read.keys), read.labels.tolist(), strict=True))["new.png"] == -1
    assert sum(read.labels >= 0) == len(read.labels) - 1


def test_a_class_with_fewer_labels_than_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"class 'cat' has 3 labelled .* 5 were asked for"):
        prepare(tmp_path / "out", tree(tmp_path / "in"), labels_per_class=5)
    assert left_in(tmp_path / "out") == []


def test_settings_that_make_no_sense_are_refused():
    for text, message in (
        ("image_size=0", "whole number from 4 to 8192; got 0"),
        ("runner=multi_threading", "got 'multi_th"),
    ):
        with pytest.raises(UsageError, match=message):
            load_config(overrides=[f"data.{text}"])
    with pytest.raises(UsageError, match="not both"):
        load_config(overrides=["data.labels_per_class=5", "data.labeled_rate=0.5"])


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    tree(tmp_path / "in")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="cannot write to .*a file, not a folder"):
        preprocess.run(
            DataConfig(dataset=f"folder:{tmp_path / 'in'}"),
            seed=0,
            output=tmp_path / "out",
            terminal=Terminal(io.StringIO()),
        )


def test_a_full_disk_is_told_in_one_message(tmp_path, monkeypatch):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    import ssgan_tf.records

    whole = ssgan_tf.records.write_records

    def write_there(path, records, *, shared):
        # without a name of the attempt's own, which could not be known before
        return whole(_onto(path, full), records)

    monkeypatch.setattr(ssgan_tf.records, "write_records", write_there)
    with pytest.raises(DataError, match="no space is left on the disk"):
        prepare(tmp_path / "out", tree(tmp_path / "in"))
    assert not (tmp_path / "out" / "dataset.json").exists()


def _onto(path: Path, device: Path) -> Path:
    path.with_name(path.name + ".partial").symlink_to(device)
    return path


def test_an_image_that_changes_between_the_passes_is_noticed(tmp_path, monkeypatch):
    tree(tmp_path / "in")
    lay_plans = preprocess.lay_plans

    def change_first(*arguments):
        (tmp_path / "in" / "cat" / "0.png").write_bytes(encoded(colours(99)))
        return lay_plans(*arguments)

    monkeypatch.setattr(preprocess, "lay_plans", change_first)
    with pytest.raises(DataError, match="'folder:.*' changed while it was being read"):
        prepare(tmp_path / "out", tmp_path / "in")


@pytest.mark.parametrize("grey", [False, True])
def test_copies_in_other_formats_draw_the_same_images(tmp_path, grey):
    for kind in ("png", "bmp"):
        for number, name in enumerate(name for name in ("cat", "dog", "cow") for _ in range(8)):
            # in another order of names too
            file = tmp_path / kind / name / f"{number if kind == 'png' else 99 - number}.{kind}"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture = colours(number).convert("L") if grey else colours(number)
            # a BMP of colour depth may hold grey too
            if kind == "bmp":
                picture = picture.convert("RGB")
            file.write_bytes(encoded(picture, kind.upper()))
        prepare(tmp_path / f"out-{kind}", tmp_path / kind, labels_per_class=3, channels=3)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / f"out-{kind}").glob("*.*")}
        for kind in ("png", "bmp")
    )
    assert one == two and len(one) == 6


def test_pixels_under_two_labels_are_counted_and_listed(tmp_path):
    tree(tmp_path / "in")
    (tmp_path / "in" / "dog" / "same.bmp").write_bytes(encoded(colours(0), "BMP"))
    document, said = prepare(tmp_path / "out", tmp_path / "in")
    assert read_provenance(tmp_path / "out")["contradicted"] == [
        [{"place": "cat/0.png", "class": "cat"}, {"place": "dog/same.bmp", "class": "dog"}]
    ]
    assert "2 image(s) have the same pixels as one of another class" in said and "'cat/0.png'" in said
    assert document["splits"]["train"]["count"] - document["splits"]["train"]["labelled"] == 2


def test_a_failure_that_would_come_after_training_comes_before_the_images_are_written(tmp_path):
    with pytest.raises(DataError, match="no labelled image is left for the test split"):
        prepare(tmp_path / "out", tree(tmp_path / "in", count=1), yes=True)
    with pytest.raises(DataError, match="all labelled images are of one class, 'cat'"):
        prepare(tmp_path / "out", tree(tmp_path / "one", classes=("cat",)))
    assert not list((tmp_path / "out").rglob("*"))


def test_a_source_that_changed_since_planning_is_refused_at_once(tmp_path):
    settings = DataConfig(dataset=f"folder:{tree(tmp_path / 'in')}")
    planned = preprocess.open_source(settings.dataset).digest()
    (tmp_path / "in" / "cat" / "new.png").write_bytes(encoded(colours(50)))
    with pytest.raises(DataError, match="changed since this run was planned"):
        preprocess.run(
            settings, seed=0, output=tmp_path, terminal=Terminal(io.StringIO()), source_digest=planned
        )


def test_a_source_that_grows_while_it_is_read_is_refused_at_the_end(tmp_path, monkeypatch):
    tree(tmp_path / "in")
    lay_plans = preprocess.lay_plans

    def add_one(*arguments):
        (tmp_path / "in" / "cat" / "new.png").write_bytes(encoded(colours(50)))
        return lay_plans(*arguments)

    monkeypatch.setattr(preprocess, "lay_plans", add_one)
    with pytest.raises(DataError, match=r"changed while it was being read\. Run again"):
        prepare(tmp_path / "out", tmp_path / "in")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_every_format_of_a_folder_is_read_or_listed_and_the_background_recorded(tmp_path):
    tree(tmp_path / "in")
    clear = Image.new("RGBA", (10, 12))
    for number, (suffix, kind) in enumerate(
        (("webp", "WEBP"), ("tif", "TIFF"), ("tiff", "TIFF"), ("png", "PNG"))
    ):
        image = clear if kind != "PNG" else Image.new("RGBA", (10, 12), (number, 0, 0, 0))
        (tmp_path / "in" / f"x{number}.{suffix}").write_bytes(encoded(image, kind))
    (tmp_path / "in" / "y.jfif").write_bytes(encoded(colours(50), "JPEG"))
    (tmp_path / "in" / "z.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    others = "raw/1.CR2 film.mov notes.txt README Thumbs.db 1.2.840 .DS_Store .git/a/b .git/c"
    for name in others.split():
        place = tmp_path / "in" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"?")
    document, said = prepare(tmp_path / "out", tmp_path / "in", background=77)
    assert document["background"] == 77
    assert document["class_names"] == ["cat", "dog"]
    provenance = read_provenance(tmp_path / "out")
    assert [row["place"] for row in provenance["rejected"]] == ["z.heic"]
    account = provenance["files"]
    sums = {name: total(account[name]) for name in ("skipped", "not_supported", "not_images")}
    assert account["files"] == sum(not path.is_dir() for path in (tmp_path / "in").rglob("*"))
    assert account["files"] == account["read"] + sum(sums.values())
    assert (account["read"], account["with_label"]) == (13, 8)
    assert sums == {"skipped": 1, "not_supported": 2, "not_images": 7}
    assert {row["kind"]: row["first"] for row in account["not_images"]} == {
        "hidden": [".DS_Store", ".git/a/b", ".git/c"],
        ".txt": ["notes.txt"],
        "of the system": ["Thumbs.db"],
        "without an ending": ["README"],
        "of no known ending": ["1.2.840"],
    }
    assert (
        "of 23 files: 13 read (8 with a label, 5 without), 1 skipped, 2 not supported, 7 not images" in said
    )
    assert "1 camera RAW: export as JPEG or TIFF (raw/1.CR2)" in said
    # nothing of it where training reads
    assert "files" not in document and "notes" not in json.dumps(document)
    read = read_split(DatasetInfo.load(tmp_path / "out"), "train")
    places = places_of(tmp_path / "out", read.keys)
    images = {places[key]: image for key, image in zip(read.keys, read.images, strict=True)}
    assert "y.jfif" in images
    # equal pictures in two formats: the file's bytes tell them apart, the pixels do not
    for number, suffix in enumerate(("webp", "tif", "tiff", "png")):
        if (key := f"x{number}.{suffix}") in images:
            assert (images[key] == 77).all()
    assert sum(key.startswith("x") for key in images) >= 3


@pytest.mark.parametrize("value", ["grey", 256, -1, 3.5])
def test_a_background_that_is_no_level_is_refused(value):
    with pytest.raises(UsageError, match="white, black, or a grey level from 0 to 255"):
        load_config(overrides=[f"data.background={value}"])


def test_a_raw_file_is_refused_when_strict_and_may_stand_in_a_label_file(tmp_path):
    tree(tmp_path / "in")
    (tmp_path / "in" / "cat" / "1.nef").write_bytes(b"II*\0")
    (tmp_path / "in" / "film.mp4").write_bytes(b"?")
    with pytest.raises(
        DataError, match=r"'cat/1.nef' cannot be used: camera RAW is not read; export as JPEG"
    ):
        prepare(tmp_path / "out", tmp_path / "in", strict=True)
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\ncat/0.png,cat\ncat/1.nef,cat\ndog/4.png,dog\n")
    source = open_source(f"folder:{tmp_path / 'in'}", labels=str(labels))
    assert source.class_names() == ("cat", "dog") and source.splits() == {"train": 8}
    for path in (tmp_path / "in").rglob("*.png"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"holds no images .* 1 of kind camera RAW, which is not read: export as"
    ):
        open_source(f"folder:{tmp_path / 'in'}")


def test_installing_what_reads_the_images_makes_another_data_set_of_them(tmp_path, monkeypatch):
    found = []
    for kind in ("png", "heic"):
        tree(tmp_path / kind)
        (tmp_path / kind / f"1.{kind}").write_bytes(encoded(colours()))
        digests = set()
        for installed in (False, True):
            monkeypatch.setattr(formats, "_installed", lambda name, there=installed: there)
            digests.add(open_source(f"folder:{tmp_path / kind}").digest())
        found.append(len(digests))
    assert found == [1, 2]


def test_white_drawings_on_nothing_are_told_apart_over_black(tmp_path):
    for number in range(8):
        layers = np.full((12, 10, 4), 255, np.uint8)
        layers[..., 3] = np.asarray(colours(number).convert("L"))
        place = tmp_path / "in" / ("cat", "dog")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(Image.fromarray(layers)))
    document, _ = prepare(tmp_path / "out", tmp_path / "in", background="black")
    assert sum(split["count"] for split in document["splits"].values()) == 8
    assert not document["rejected"]


@pytest.mark.parametrize("kinds", [1, LINES, LINES + 1, LINES + 2])
def test_no_single_kind_of_file_is_left_out_of_the_account(kinds):
    rows = [{"kind": f"reason {number}", "count": 1, "first": ["x"]} for number in range(kinds)]
    account = {"files": kinds, "read": 0, "with_label": 0, "without_label": 0, "skipped": rows}
    said = in_words(account | {"not_supported": [], "not_images": []})
    assert len(said) == 1 + min(kinds, LINES + 1) and ("more kinds" in said[-1]) == (kinds == LINES + 2)
