"""Images by URL: the prepared records are those of the same folder on a disk, whatever goes wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from remote_fixtures import CUT, DROPPED, REFUSED, SECRET, SLOW, Bucket, FaultyLine

from pipeline.errors import DataError
from pipeline.remote import patience
from pipeline.remote.store import list_files
from pipeline.remote.urls import url_of
from pipeline.sources.catalog import full_name, open_source
from pipeline.sources.files import InputFile
from pipeline.stages.preprocess import stage
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.terminal import Terminal

IMAGES = 60


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty small PNG files in two folders, labels of two thirds of them, and what is no image."""
    root = tmp_path_factory.mktemp("data") / "photos"
    random = np.random.default_rng(5)
    rows = ["path,label,camera"]
    for number in range(IMAGES):
        path = root / ("north" if number % 2 else "south") / f"{number:02d} über.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (9, 8, 3), dtype=np.uint8)).save(path)
        if number % 3:
            rows.append(
                f"{path.relative_to(root).as_posix()},{'cat' if number % 4 > 1 else 'dog'},{number % 2}"
            )
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "north" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (root / "empty.png").write_bytes(b"")
    (root / ".hidden").write_bytes(b"x")
    (root / "raw.cr2").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    return root


def prepared(output: Path, dataset: str, labels: str, **more: object) -> dict[str, str]:
    """Prepares a data set; returns the sha256 of each file."""
    output.mkdir()
    config = DataConfig(dataset=dataset, labels=labels, image_size=8, shards=3, folds=0, yes=True, **more)
    stage.run(config, seed=3, output=output, terminal=Terminal(io.StringIO()))
    # what it was made from is told by ETags there, and by bytes here
    source = output / "provenance" / "source.json"
    document = json.loads(source.read_text())
    assert document["source"].pop("digest")
    source.write_text(json.dumps(document))
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def local(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of the data prepared from the disk."""
    output = tmp_path_factory.mktemp("local") / "data"
    return prepared(output, f"folder:{photos}", str(photos / "labels.csv"))


@pytest.fixture(scope="module")
def filled(make_bucket: Callable[[], Bucket], photos: Path) -> Bucket:
    """A bucket with the same files, and the marks of folders that a store's console leaves."""
    bucket = make_bucket()
    bucket.put_folder(photos, "in/photos")
    for mark in ("in/photos/", "in/photos/north/", "in/photos-of-others/a.png"):
        bucket.put(mark, b"")
    return bucket


def test_records_under_faults_are_those_of_the_disk(
    local: dict[str, str], filled: Bucket, line: FaultyLine, tmp_path: Path
) -> None:
    url = filled.url("in/photos")
    with line.failing(0.35, seed=3) as met:
        remote = prepared(tmp_path / "data", f"folder:{url}", f"{url}/labels.csv")
    assert remote == local
    assert min(met.met[fault] for fault in (SLOW, REFUSED, CUT, DROPPED, "fine")) > 5, met.met
    # the listing a few times, each image twice: to draw and to write
    assert sum(met.asked.values()) - sum(map(met.met.get, (REFUSED, CUT, DROPPED))) < 2 * IMAGES + 40


def test_without_retries_the_same_faults_end_it(
    filled: Bucket, line: FaultyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(f"folder:{filled.url('in/photos')}")
    monkeypatch.setattr(patience, "ATTEMPTS", 1)
    for fault in (REFUSED, CUT, DROPPED):
        with line.failing(0.35, fault), pytest.raises(DataError, match="1 attempts failed, the last with"):
            list(source.read("train", 0, IMAGES))


def test_a_folder_by_url_is_what_the_folder_on_the_disk_is(
    filled: Bucket, line: FaultyLine, photos: Path
) -> None:
    url = filled.url("in/photos")
    here, there = open_source(f"folder:{photos}"), open_source(f"folder:{url}/")
    assert here.aside() == there.aside() and here.class_names() == there.class_names() == ("north", "south")
    assert list(here.read("train", 0, 99)) == list(there.read("train", 0, 99))
    assert list(here.labels("train")) == list(there.labels("train"))
    assert full_name(f"folder:{url}/") == f"folder:{url}"
    assert SECRET not in repr(pickle.dumps(there)) + repr(there)
    # a class folder for each, and no command that a bucket does not know
    assert f"{url}/cat/..." in "".join(there.ways_to_label()) and "mkdir" not in "".join(
        there.ways_to_label()
    )


def test_the_digest_follows_the_content_and_reads_no_image(bucket: Bucket, line: FaultyLine) -> None:
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        bucket.put(f"x/{name}", name.encode())

    def digest() -> str:
        return open_source(f"folder:{bucket.url('x')}").digest()

    with line.failing(0.0) as met:
        before = digest()
        assert before == digest()
        assert not [request for request in met.asked if ".png" in request]
    bucket.put("x/a/1.png", b"A/1.png")
    assert digest() != before
    bucket.put("x/a/1.png", b"a/1.png")
    assert digest() == before
    bucket.put("y/1.png", b"beside it")
    assert digest() == before


def test_an_image_that_changes_or_goes_under_way(bucket: Bucket, line: FaultyLine) -> None:
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        bucket.put(f"x/{name}", name.encode())
    source = open_source(f"folder:{bucket.url('x')}")
    bucket.remove("x/a/2.png")
    assert [item.problem for item in source.read("train", 0, 3)] == [None, "gone", None]
    # of the same length: told by its ETag
    bucket.put("x/a/1.png", b"A/1.png")
    with pytest.raises(DataError, match="a/1.png: it changed since it was listed. Run again"):
        list(source.read("train", 0, 1))


def test_names_that_no_file_could_have(bucket: Bucket, line: FaultyLine) -> None:
    for name in (
        "a/1.png",
        "b/2.png",
        "../3.png",
        "a/../../4.png",
        "line\u2028end.png",
        "//5.png",
        "a//6.png",
    ):
        bucket.put(f"x/{name}", name.encode())
    source = open_source(f"folder:{bucket.url('x')}")
    found = {item.place: item.problem for item in source.read("train", 0, 9)}
    assert {place for place, problem in found.items() if not problem} == {
        "a/1.png",
        "b/2.png",
        "//5.png",
        "a//6.png",
    }
    assert [aside.first for aside in source.aside() or ()] == [("../3.png", "a/../../4.png")]


def test_a_listing_of_many_pages_is_tried_again_page_by_page(
    bucket: Bucket, line: FaultyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import moto.settings

    for number in range(40):
        bucket.put(f"x/{number % 2}/{number:02d}.png", b"x")
    monkeypatch.setattr(moto.settings, "get_s3_default_max_keys", lambda: 3)
    with line.failing(0.4, CUT, REFUSED, DROPPED) as met:
        files = list_files(url_of(bucket.url("x")))
    assert len(files) == 40 and files == sorted(files, key=lambda file: file.path)
    assert met.met["fine"] >= 14 and sum(met.met.values()) > 16


def test_arrays_by_url(bucket: Bucket, line: FaultyLine, tmp_path: Path) -> None:
    images, labels = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2), np.array([0, 1] * 3)
    np.savez(tmp_path / "arrays.npz", images=images, labels=labels)
    (tmp_path / "idx").mkdir()
    head = bytes((0, 0, 8)) + bytes((3,)) + struct.pack(">3I", 6, 2, 2)
    (tmp_path / "idx" / "train-images-idx3-ubyte").write_bytes(head + images.tobytes())
    packed = gzip.compress(bytes((0, 0, 8, 1)) + struct.pack(">I", 6) + labels.astype(np.uint8).tobytes())
    (tmp_path / "idx" / "train-labels-idx1-ubyte.gz").write_bytes(packed)
    bucket.put_folder(tmp_path, "d")
    with line.failing(0.3):
        for kind, name in (("npz", "arrays.npz"), ("idx", "idx")):
            here, there = (open_source(f"{kind}:{place}/{name}") for place in (tmp_path, bucket.url("d")))
            assert there.digest() == here.digest()
            for mine, theirs in zip(here.read("train", 0, 6), there.read("train", 0, 6), strict=True):
                assert (mine.checksum, mine.label) == (theirs.checksum, theirs.label)
    file = InputFile.of(url_of(bucket.url("d/arrays.npz")))
    bucket.put("d/arrays.npz", b"x" * file.size)
    with pytest.raises(DataError, match="changed"):
        file.open()


def test_paths_in_label_files_by_url(bucket: Bucket, line: FaultyLine) -> None:
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        bucket.put(f"photos/{name}", name.encode())
    url = bucket.url("photos")
    bucket.put("lists/two.jsonl", b'{"path": "b/3.png", "label": "dog"}\n')
    for written in ("a/1.png", "photos/a/1.png", "1.png", "a/1", f"{url}/a/1.png", "../photos/a/1.png"):
        bucket.put("lists/one.csv", f"path,label\n{written},cat\n".encode())
        source = open_source(f"folder:{url}", labels=bucket.url("lists"))
        assert dict(source.labels("train")) == {"a/1.png": 0, "a/2.png": -1, "b/3.png": 1}


def test_label_files_by_url_in_parquet_and_from_the_disk(
    bucket: Bucket, line: FaultyLine, tmp_path: Path
) -> None:
    import pyarrow
    from pyarrow import parquet

    for name in ("a/1.png", "a/2.png"):
        bucket.put(f"photos/{name}", name.encode())
    table = tmp_path / "labels.parquet"
    parquet.write_table(pyarrow.table({"path": ["a/1.png", "a/2.png"], "label": ["cat", "dog"]}), table)
    bucket.put("labels.parquet", table.read_bytes())
    sources = [
        open_source(f"folder:{bucket.url('photos')}", labels=labels)
        for labels in (str(table), f"file://{table}", bucket.url("labels.parquet"))
    ]
    assert len({source.digest() for source in sources}) == 1
    assert dict(sources[0].labels("train")) == {"a/1.png": 0, "a/2.png": 1}
