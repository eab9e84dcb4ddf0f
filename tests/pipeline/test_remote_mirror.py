"""A model folder behind a URL: what lies in the cache is a version as it was put there, or none at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_fixtures import CUT, REFUSED, Bucket, FaultyLine

from pipeline.errors import DataError, UsageError
from pipeline.remote import patience
from pipeline.remote.urls import url_of
from pipeline.serving.mirrored import cache_folder
from pipeline.serving.models import mirror as mirroring
from pipeline.serving.models import mirror_place
from pipeline.serving.models.mirror import Mirror
from pipeline.serving.settings import parse_versions

PARTS = {
    "saved_model.pb": b"graph" * 400,
    "variables/variables.index": b"index",
    "variables/variables.data-00000-of-00002": b"0" * 3000,
    "variables/variables.data-00001-of-00002": b"1" * 2000,
    "assets/class_names.txt": b"cat\ndog\n",
}


def put_version(bucket: Bucket, number: int | str, *, without: str = "", more: bytes = b"") -> None:
    for name, content in PARTS.items():
        if name != without:
            bucket.put(f"models/digits/{number}/{name}", content + more)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def mirror(
    bucket: Bucket, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mirror]:
    """Of the newest version of a model in the bucket."""
    monkeypatch.setattr(mirroring, "SETTLE", 0.0)
    # several reads a file
    monkeypatch.setattr(mirror_place, "BLOCK", 1600)
    made = make(bucket, tmp_path, said)
    yield made
    made.stop()


def make(bucket: Bucket, cache: Path, said: list[str], versions: str = "latest") -> Mirror:
    choose = parse_versions(versions).choose
    return Mirror(url_of(bucket.url("models/digits")), cache, choose=choose, say=said.append)


def test_a_version_comes_whole_under_faults_and_the_next_takes_its_place(
    bucket: Bucket, line: FaultyLine, mirror: Mirror
) -> None:
    put_version(bucket, 2)
    put_version(bucket, 1)
    bucket.put("models/digits/2/", b"")
    bucket.put("models/digits/notes.txt", b"no version")
    with line.failing(0.35) as met:
        mirror.first()
        assert contents(mirror.folder) == {f"2/{name}": content for name, content in PARTS.items()}
        assert mirror.folder.name == "digits"
        put_version(bucket, 10, more=b"new")
        assert not mirror.look(), "seen once, it may be an upload under way"
        assert [path.name for path in mirror.folder.iterdir()] == ["2"]
        assert mirror.look()
        assert met.met[CUT] and met.met[REFUSED], met.met
    assert contents(mirror.folder) == {f"10/{name}": content + b"new" for name, content in PARTS.items()}
    bucket.remove("models/digits/10/saved_model.pb")
    assert mirror.look(), "10 was taken back: 2 comes again"
    assert [path.name for path in mirror.folder.iterdir()] == ["2"]


def test_without_retries_nothing_comes(
    bucket: Bucket, line: FaultyLine, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_version(bucket, 1)
    monkeypatch.setattr(patience, "ATTEMPTS", 1)
    with line.failing(0.5, CUT, REFUSED), pytest.raises(DataError, match="1 attempts failed"):
        mirror.first()
    assert contents(mirror.folder) == {}


def test_a_half_uploaded_version_waits(bucket: Bucket, mirror: Mirror, said: list[str]) -> None:
    put_version(bucket, 1)
    halves = {2: "saved_model.pb", 3: "variables/variables.index", 4: list(PARTS)[3]}
    for number, missing in halves.items():
        put_version(bucket, number, without=missing)
    mirror.first()
    mirror.look()
    assert [path.name for path in mirror.folder.iterdir()] == ["1"]
    assert len([text for text in said if "not all there" in text]) == 2, said
    for number, missing in halves.items():
        bucket.put(f"models/digits/{number}/{missing}", PARTS[missing])
        mirror.look()
        assert mirror.look()
        assert contents(mirror.folder) == {f"{number}/{name}": content for name, content in PARTS.items()}


def test_files_that_change_between_looks_or_while_they_are_copied_wait(
    bucket: Bucket, line: FaultyLine, mirror: Mirror
) -> None:
    put_version(bucket, 1)
    mirror.first()
    for content in (b"a", b"b", b"c"):
        put_version(bucket, 2, more=content)
        assert not mirror.look()
    once = threading.Event()

    def replaced(path: str) -> None:
        # the version is replaced while it is copied
        if path.endswith("2/variables/variables.index") and not once.is_set():
            once.set()
            put_version(bucket, 2, more=b"d")

    line.before = replaced
    assert not mirror.look() and once.is_set()
    assert [path.name for path in mirror.folder.iterdir()] == ["1"]
    line.before = lambda path: None
    mirror.look()
    assert mirror.look()
    assert contents(mirror.folder) == {f"2/{name}": content + b"d" for name, content in PARTS.items()}


def test_a_version_whose_files_are_replaced_is_replaced(bucket: Bucket, mirror: Mirror) -> None:
    put_version(bucket, 1)
    mirror.first()
    put_version(bucket, 1, more=b"x")
    assert not mirror.look() and mirror.look()
    assert contents(mirror.folder) == {f"1/{name}": content + b"x" for name, content in PARTS.items()}


def test_no_name_leaves_the_cache(bucket: Bucket, mirror: Mirror, said: list[str], tmp_path: Path) -> None:
    put_version(bucket, 1)
    keys = (
        "../../../../outside.txt",
        "..",
        "a/../../../outside.txt",
        "/etc/outside.txt",
        "./outside.txt",
        "a\\..\\outside.txt",
        "line\u2028end.txt",
        "saved_model.pb/below",
    )
    for number, key in enumerate(keys, 3):
        bucket.put(f"models/digits/{number}/saved_model.pb", b"graph")
        bucket.put(f"models/digits/{number}/{key}", b"outside")
    bucket.put("models/digits/../4/saved_model.pb", b"outside")
    mirror.first()
    assert [path.name for path in mirror.folder.iterdir()] == ["1"]
    refused = [int(text.split()[1]) for text in said if "is not taken" in text]
    assert sorted(refused) == list(range(3, 3 + len(keys))), said
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"outside" in path.read_bytes()]


def test_a_link_in_the_cache_is_not_followed(bucket: Bucket, mirror: Mirror, tmp_path: Path) -> None:
    put_version(bucket, 1)
    outside = tmp_path / "outside"
    outside.mkdir()
    place = mirror.folder.parent
    mirror.folder.mkdir(parents=True)
    (place / ".1.partial").symlink_to(outside)
    (mirror.folder / "1").symlink_to(outside)
    mirror.first()
    assert not list(outside.iterdir()) and not (mirror.folder / "1").is_symlink()
    assert len(contents(mirror.folder)) == len(PARTS)


def test_what_is_here_is_not_copied_again_and_serves_where_nothing_answers(
    bucket: Bucket, line: FaultyLine, mirror: Mirror, said: list[str], tmp_path: Path
) -> None:
    put_version(bucket, 7)
    mirror.first()
    mirror.stop()
    (mirror.folder.parent / ".8.partial").mkdir()
    (mirror.folder / "5").mkdir()
    again = make(bucket, tmp_path, said)
    with line.failing(0.0) as met:
        again.first()
        assert not [request for request in met.asked if "saved_model" in request]
    assert sorted(path.name for path in again.folder.parent.iterdir()) == ["7.json", "digits", "lock"]
    assert [path.name for path in again.folder.iterdir()] == ["7"]
    with pytest.raises(UsageError, match="another server mirrors .* give this another --cache"):
        make(bucket, tmp_path, said).first()
    again.stop()
    offline = make(bucket, tmp_path, said)
    with line.failing(1.0, REFUSED):
        offline.first()
    assert "Served is what was mirrored before." in said[-1]
    offline.stop()
    # a file that is damaged there is copied again
    (offline.folder / "7" / "saved_model.pb").write_bytes(b"")
    last = make(bucket, tmp_path, said)
    last.first()
    assert contents(last.folder) == {f"7/{name}": content for name, content in PARTS.items()}
    last.stop()


def test_a_bucket_that_is_empty_for_a_moment_changes_nothing(bucket: Bucket, mirror: Mirror) -> None:
    put_version(bucket, 1)
    mirror.first()
    for name in PARTS:
        bucket.remove(f"models/digits/1/{name}")
    mirror.look()
    assert [path.name for path in mirror.folder.iterdir()] == ["1"]


def test_what_cannot_be_mirrored_is_said(
    bucket: Bucket, line: FaultyLine, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="models/digits' holds no version. It must hold a folder named by"):
        mirror.first()
    mirror.stop()
    put_version(bucket, 2, without="variables/variables.index")
    with pytest.raises(UsageError, match="no whole version of a model: version 2 .*not all there"):
        make(bucket, tmp_path, []).first()
    put_version(bucket, 1)
    monkeypatch.setattr(mirror_place.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 3}))
    full = make(bucket, tmp_path / "other", [])
    with pytest.raises(DataError, match="version 1 of s3://.* has 0 MiB: more than .* has"):
        full.first()
    full.stop()


def test_where_models_are_mirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANPIPE_CACHE", "/cache")
    monkeypatch.setenv("XDG_CACHE_HOME", "/users")
    assert (cache_folder(None), cache_folder("/own")) == (Path("/cache/models"), Path("/own"))
    monkeypatch.delenv("GANPIPE_CACHE")
    assert cache_folder(None) == Path("/users/ganpipe/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder(None) == Path.home() / ".cache/ganpipe/models"
