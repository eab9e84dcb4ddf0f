"""Images by URL: the prepared records are those of the same folder on a disk, whatever goes wrong."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from remote_fixtures import CUT, DROPPED, REFUSED, SLOW, Bucket, FaultyLine

from pipeline.errors import DataError
from pipeline.remote import patience
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
    source.write_text(json.dumps({**json.loads(source.read_text()), "digest": None}))
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
    with line.failing(0.35) as met:
        remote = prepared(tmp_path / "data", f"folder:{url}", f"{url}/labels.csv")
    assert remote == local
    assert min(met.met[fault] for fault in (SLOW, REFUSED, CUT, DROPPED, "fine")) > 5, met.met
    # the listing a few times, each image twice: to draw and to write
    assert sum(met.asked.values()) - sum(map(met.met.get, (REFUSED, CUT, DROPPED))) < 2 * IMAGES + 40


@pytest.mark.parametrize("fault", [REFUSED, CUT, DROPPED])
def test_without_retries_the_same_faults_end_it(
    filled: Bucket, line: FaultyLine, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "ATTEMPTS", 1)
    url = filled.url("in/photos")
    with line.failing(0.35, fault), pytest.raises(DataError, match="1 attempts failed, the last with"):
        prepared(tmp_path / "data", f"folder:{url}", f"{url}/labels.csv")
