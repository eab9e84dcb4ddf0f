"""A file is known by its bytes; its state only says when to look again."""

import os
import sqlite3
from pathlib import Path

import pytest

from pipeline.sources import digests
from pipeline.sources.catalog import open_source
from pipeline.sources.digests import digests_of


@pytest.fixture(autouse=True)
def read(monkeypatch, tmp_path):
    """Lists what is read, with a memory of its own that takes files as old as they are."""
    paths, whole = [], digests._read
    monkeypatch.setenv("GANPIPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "_read", lambda path: paths.append(Path(path).name) or whole(path))
    monkeypatch.setattr(digests, "_SETTLED_NS", -1)
    return paths


@pytest.fixture
def files(tmp_path):
    (tmp_path / "photos").mkdir()
    found = [tmp_path / "photos" / f"{i}.png" for i in range(3)]
    for i, path in enumerate(found):
        path.write_bytes(bytes([i]) * 100)
    return found


def test_what_did_not_change_is_not_read_again(files, read):
    first = digests_of(files)
    assert len(set(first)) == 3 and sorted(read) == ["0.png", "1.png", "2.png"]
    assert digests_of(files) == first and len(read) == 3
    files[0].touch()
    files[1].write_bytes(files[1].read_bytes())
    assert digests_of(files) == first
    assert sorted(read[3:]) == ["0.png", "1.png"]


def test_other_bytes_are_seen_also_under_the_old_size_and_time(files, read):
    first, state = digests_of(files), files[0].stat()
    files[0].write_bytes(b"x" * 100)
    os.utime(files[0], ns=(state.st_atime_ns, state.st_mtime_ns))
    assert files[0].stat().st_mtime_ns == state.st_mtime_ns
    second = digests_of(files)
    assert first[0] != second[0] and first[1:] == second[1:]


def test_a_file_that_changed_just_now_is_not_trusted(files, read, monkeypatch):
    monkeypatch.setattr(digests, "_SETTLED_NS", 10**12)
    assert digests_of(files) == digests_of(files)
    assert len(read) == 6


def test_what_cannot_be_read_says_why(files, tmp_path):
    files[1].unlink()
    found = digests_of(files)
    assert isinstance(found[1], FileNotFoundError) and len(found[0]) == len(found[2]) == 64


@pytest.mark.parametrize("damage", ["text", "row", "schema", "folder", "unwritable"])
def test_a_damaged_memory_is_looked_past(files, read, tmp_path, damage):
    first, cache = digests_of(files), tmp_path / "cache" / digests.FILE
    if damage == "text":
        cache.write_text("no database" * 1000)
    elif damage == "folder":
        cache.unlink()
        cache.mkdir()
    elif damage == "unwritable":
        cache.unlink()
        cache.parent.rmdir()
        cache.parent.touch()
    else:
        change = {"row": "UPDATE digests SET digest = x'00'", "schema": "DROP TABLE digests"}[damage]
        with sqlite3.connect(cache) as connection:
            connection.execute(change)
        connection.close()
    assert digests_of(files) == first
    assert len(read) == 6
    # and where one can be written it is whole again
    assert digests_of(files) == first
    assert len(read) in ((9,) if damage in ("folder", "unwritable") else (6, 9))


def test_a_memory_that_another_process_holds_is_done_without(files, read, tmp_path, monkeypatch):
    first = digests_of(files[:2])
    monkeypatch.setattr(digests, "_WAIT_SECONDS", 0.01)
    with sqlite3.connect(tmp_path / "cache" / digests.FILE, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert digests_of(files)[:2] == first
    other.close()
    assert digests_of(files)[:2] == first and len(read) == 2 + 3 + 1


def test_the_memory_has_an_end(files, read, monkeypatch):
    monkeypatch.setattr(digests, "MOST_FILES", 2)
    digests_of(files)
    digests_of(files)
    assert len(read) == 4


def test_a_folder_is_the_same_when_touched_and_another_when_renamed(files):
    root = files[0].parent
    digest = open_source(f"folder:{root}").digest()
    for path in files:
        path.touch()
    assert open_source(f"folder:{root}").digest() == digest
    moved = root.rename(root.with_name("moved"))
    assert open_source(f"folder:{moved}").digest() == digest
    (moved / "0.png").rename(moved / "4.png")
    assert open_source(f"folder:{moved}").digest() != digest
