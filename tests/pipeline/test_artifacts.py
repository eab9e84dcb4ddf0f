"""An artifact is complete or absent, whatever happens while it is written."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

from pipeline.chain import artifacts
from pipeline.chain.artifacts import check_lineage, open_artifact, read_manifest
from pipeline.chain.fingerprints import Fingerprint, make_fingerprint
from pipeline.chain.publishing import leftovers, tidy, writing
from pipeline.errors import DataError, writing_to


def fingerprint(**parameters) -> Fingerprint:
    return make_fingerprint("train", parameters, {"data": "abc"})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_publishes_files_and_manifest(tmp_path):
    folder = tmp_path / "made"
    with writing(folder, fingerprint(steps=5), summary={"answer": 42}) as partial:
        (partial / "a.txt").write_text("hello")
        assert not folder.exists()
    manifest = open_artifact(folder, "train")
    assert manifest.digest == fingerprint(steps=5).digest
    assert manifest.files["a.txt"]["bytes"] == 5
    assert manifest.summary == {"answer": 42}
    assert names(tmp_path) == ["made"]


def test_failure_leaves_nothing_and_keeps_what_was_there(tmp_path):
    folder = tmp_path / "made"
    with writing(folder, fingerprint(steps=1)) as partial:
        (partial / "a.txt").write_text("first")
    with pytest.raises(RuntimeError), writing(folder, fingerprint(steps=2)) as partial:
        (partial / "a.txt").write_text("second")
        raise RuntimeError
    assert (folder / "a.txt").read_text() == "first"
    assert names(tmp_path) == ["made"]


def test_resumable_failure_is_found_by_the_same_fingerprint_only(tmp_path):
    folder = tmp_path / "made"

    def resumed(steps):
        return writing(folder, fingerprint(steps=steps), resumes_from="checkpoint")

    with pytest.raises(RuntimeError), resumed(1) as partial:
        (partial / "checkpoint").write_text("10")
        raise RuntimeError
    with resumed(1) as partial:
        assert (partial / "checkpoint").read_text() == "10"
    with pytest.raises(RuntimeError), resumed(2) as partial:
        assert names(partial) == ["unfinished.json"]
        raise RuntimeError
    # nothing of worth was in it: it goes
    with resumed(3) as partial:
        assert names(partial) == ["unfinished.json"]
    assert names(tmp_path) == ["made"]
    assert names(folder) == ["manifest.json"]


def test_unfinished_work_of_other_settings_is_never_removed(tmp_path):
    folder = tmp_path / "made"
    with (
        pytest.raises(RuntimeError),
        writing(folder, fingerprint(steps=1), resumes_from="checkpoint") as partial,
    ):
        (partial / "checkpoint").write_text("320")
        raise RuntimeError
    with writing(folder, fingerprint(steps=2), resumes_from="checkpoint"):
        pass
    (kept,) = leftovers(folder)
    assert (kept.path / "checkpoint").read_text() == "320"
    assert kept.fingerprint == fingerprint(steps=1) and kept.bytes > 3
    with writing(folder, fingerprint(steps=1), resumes_from="checkpoint") as partial:
        assert (partial / "checkpoint").read_text() == "320"
    assert leftovers(folder) == []


def test_kill_between_the_renames_of_publishing_loses_nothing(tmp_path):
    folder = tmp_path / "made"
    made = {}
    for steps in (1, 2):
        with writing(folder, fingerprint(steps=steps)) as partial:
            (partial / "a.txt").write_text(str(steps))
        made[steps] = shutil.copytree(folder, tmp_path / "copies" / str(steps))
    shutil.rmtree(folder)
    # the old one put aside, the new one whole but not in its place
    shutil.copytree(made[1], tmp_path / ".made.old")
    shutil.copytree(made[2], tmp_path / ".made.partial-2")
    assert read_manifest(folder).digest == fingerprint(steps=2).digest
    assert (folder / "a.txt").read_text() == "2"
    # the new one was never whole
    shutil.rmtree(folder)
    (tmp_path / ".made.partial-3").mkdir()
    assert read_manifest(folder).digest == fingerprint(steps=1).digest
    with writing(folder, fingerprint(steps=4)):
        pass
    assert names(tmp_path) == ["copies", "made"]


def test_what_a_kill_while_publishing_left_is_not_part_of_the_next_result(tmp_path):
    folder = tmp_path / "made"
    with (
        pytest.raises(RuntimeError),
        writing(folder, fingerprint(), resumes_from="checkpoint") as partial,
    ):
        (partial / "checkpoint").write_text("320")
        raise RuntimeError
    # killed after the manifest was written, or while that, or the history, was
    for name in ("manifest.json", "manifest.json.partial", "history.npz.partial"):
        (partial / name).write_text("{")
    with writing(folder, fingerprint(), resumes_from="checkpoint"):
        pass
    assert names(folder) == ["checkpoint", "manifest.json"]
    assert list(open_artifact(folder, "train").files) == ["checkpoint"]


def test_a_replaced_result_that_was_half_removed_is_in_nobodys_way(tmp_path):
    folder = tmp_path / "made"
    for steps in (1, 2):
        with writing(folder, fingerprint(steps=steps), resumes_from="checkpoint") as partial:
            (partial / "checkpoint").write_text("320")
        # killed while the one before was being removed
        shutil.copytree(folder, tmp_path / ".made.old")
        (tmp_path / ".made.old" / "manifest.json").unlink()
    with writing(folder, fingerprint(steps=3), resumes_from="checkpoint") as partial:
        (partial / "checkpoint").write_text("320")
    assert names(tmp_path) == ["made"]


def test_what_killed_runs_left_beside_a_reused_result_is_removed(tmp_path):
    folder = tmp_path / "made"
    for steps in (1, 2, 3):
        with pytest.raises(RuntimeError), writing(folder, fingerprint(steps=steps), resumes_from="a") as new:
            (new / "a").touch()
            raise RuntimeError
    with writing(folder, fingerprint(steps=3), resumes_from="a"):
        pass
    with pytest.raises(RuntimeError), writing(folder, fingerprint(steps=3), resumes_from="a") as new:
        (new / "a").touch()
        raise RuntimeError
    shutil.copytree(folder, tmp_path / ".made.old")
    (tmp_path / ".made.lock").touch()
    tidy(folder, fingerprint(steps=3), resumes_from="a")
    # what can be continued with other settings stays
    assert {leftover.fingerprint.parameters["steps"] for leftover in leftovers(folder)} == {1, 2}
    assert len(names(tmp_path)) == 3
    tidy(folder, fingerprint(steps=3))
    assert names(tmp_path) == ["made"]


def test_a_flipped_byte_anywhere_in_a_manifest_is_seen(tmp_path):
    folder = tmp_path / "made"
    with writing(folder, fingerprint(steps=5), summary={"error": 0.25, 7: [(1, None)]}) as partial:
        (partial / "a.bin").write_bytes(b"12345678")
    whole = (folder / "manifest.json").read_bytes()
    as_written = read_manifest(folder)
    assert as_written.summary["error"] == 0.25
    for place in range(len(whole)):
        damaged = bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]])
        (folder / "manifest.json").write_bytes(damaged)
        # white space between the values says nothing
        assert read_manifest(folder) in (None, as_written)
    (folder / "manifest.json").write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"manifest\.json' is damaged. Run `ganpipe train` again"):
        open_artifact(folder, "train")


def test_a_flipped_byte_of_the_same_size_is_seen(tmp_path):
    folder = tmp_path / "made"
    with writing(folder, fingerprint()) as partial:
        (partial / "a.bin").write_bytes(b"12345678")
    (folder / "a.bin").write_bytes(b"12345670")
    with pytest.raises(DataError, match=r"a\.bin.*checksum.*again"):
        open_artifact(folder, "train")
    (folder / "a.bin").write_bytes(b"12345678")
    open_artifact(folder, "train")


def test_a_change_under_a_time_that_was_set_back_is_seen(tmp_path):
    folder = tmp_path / "data"
    with writing(folder, fingerprint()) as partial:
        (partial / "file").write_text("0.25")
    before = (folder / "file").stat()
    (folder / "file").write_text("0.01")
    os.utime(folder / "file", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError, match="checksum"):
        open_artifact(folder, "train")


def test_a_whole_file_is_read_once_for_its_state(tmp_path, monkeypatch):
    with writing(tmp_path / "made", fingerprint()) as partial:
        (partial / "a.bin").write_bytes(b"12345678")
    read = []
    whole = artifacts.sha256_of
    monkeypatch.setattr(artifacts, "sha256_of", lambda path: read.append(path) or whole(path))
    open_artifact(tmp_path / "made", "train")
    assert read == []
    shutil.copytree(tmp_path / "made", tmp_path / "copied", copy_function=shutil.copy)
    for _ in range(2):
        open_artifact(tmp_path / "copied", "train")
    assert len(read) == 1


def test_what_was_not_made_from_each_other_is_refused(tmp_path):
    data, model = tmp_path / "data", tmp_path / "model"
    made = make_fingerprint("preprocess", {}, {"source": "a"})
    other = make_fingerprint("preprocess", {}, {"source": "b"})
    trained = make_fingerprint("train", {}, {"data": made.digest})
    check_lineage({"data": (data, made), "model": (model, trained)})
    with pytest.raises(DataError, match="was not made from the data.*ganpipe train"):
        check_lineage({"data": (data, other), "model": (model, trained)})


def test_replaces_by_rename(tmp_path):
    folder = tmp_path / "made"
    for steps in (1, 2):
        with writing(folder, fingerprint(steps=steps)) as partial:
            (partial / f"{steps}.txt").touch()
    assert names(folder) == ["2.txt", "manifest.json"]
    assert names(tmp_path) == ["made"]


CHILD = """
import sys, time
from pathlib import Path
from pipeline.chain.fingerprints import make_fingerprint
from pipeline.chain.publishing import writing
with writing(Path(sys.argv[1]), make_fingerprint("train", {}, {})) as partial:
    (partial / "half").touch()
    print("writing", flush=True)
    time.sleep(60)
"""


def test_killed_writer_leaves_no_artifact_and_is_cleaned_up(tmp_path):
    folder = tmp_path / "made"
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    with pytest.raises(DataError, match="another ganpipe is writing"), writing(folder, fingerprint()):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not folder.exists()
    with writing(folder, fingerprint()):
        pass
    assert names(tmp_path) == ["made"]


def test_damage_is_seen_when_opened(tmp_path):
    folder = tmp_path / "made"
    with writing(folder, fingerprint()) as partial:
        (partial / "a.bin").write_bytes(b"12345678")
    (folder / "a.bin").write_bytes(b"1234")
    with pytest.raises(DataError, match=r"a\.bin.*4 bytes, 8 were written"):
        open_artifact(folder, "train")
    (folder / "a.bin").unlink()
    with pytest.raises(DataError, match="missing"):
        open_artifact(folder, "train")


def test_absent_or_of_another_stage(tmp_path):
    with pytest.raises(DataError, match="no result of train"):
        open_artifact(tmp_path / "none", "train")
    with writing(tmp_path / "made", fingerprint()):
        pass
    with pytest.raises(DataError, match="result of train, not of export"):
        open_artifact(tmp_path / "made", "export")


def test_unwritable_place(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match="cannot write to"),
        writing(tmp_path / "file" / "made", fingerprint()),
    ):
        pass


def test_a_write_that_numpy_calls_short_is_a_full_disk(tmp_path):
    with pytest.raises(DataError, match="no space is left"), writing(tmp_path / "made", fingerprint()):
        raise OSError("537 requested and 496 written")
    with pytest.raises(OSError, match="something else"), writing(tmp_path / "made", fingerprint()):
        raise OSError("something else")


def test_a_summary_keeps_its_order(tmp_path):
    with writing(tmp_path / "made", fingerprint(), summary={"train": 1, "test": {"b": 1, "a": 2}}):
        pass
    assert json.dumps(read_manifest(tmp_path / "made").summary) == '{"train": 1, "test": {"b": 1, "a": 2}}'


def test_fingerprint_follows_each_part():
    base = Fingerprint("train", {"steps": 1}, {"data": "a"}, {"x.py": "1"}, {"numpy": "2.0"})
    others = [
        Fingerprint("export", base.parameters, base.inputs, base.code, base.versions),
        Fingerprint("train", {"steps": 2}, base.inputs, base.code, base.versions),
        Fingerprint("train", base.parameters, {"data": "b"}, base.code, base.versions),
        Fingerprint("train", base.parameters, base.inputs, {"x.py": "2"}, base.versions),
        Fingerprint("train", base.parameters, base.inputs, base.code, {"numpy": "2.1"}),
    ]
    assert len({f.digest for f in [base, *others]}) == 6
    assert base.differences(others[1]) == ["setting steps changed: 1 -> 2"]
    assert base.differences(others[2]) == ["input data changed"]
    assert base.differences(others[3]) == ["source code x.py changed"]
    assert base.differences(others[4]) == ["library numpy changed: 2.0 -> 2.1"]
    assert base.differences(base) == []


def test_what_a_parameter_without_a_value_stands_for_counts_as_given():
    there, asked = fingerprint(labels=None, size=8), fingerprint(labels=10, size=8)
    assert there.digest != asked.digest
    assert there.in_full({"labels": 10}) == asked.in_full({"labels": 10})
    for stands_for in ({}, {"labels": 5}, {"size": 10}):
        assert there.in_full(stands_for) != asked.in_full(stands_for)


def test_damage_is_looked_for_below_a_path(tmp_path):
    folder = tmp_path / "made"
    with writing(folder, fingerprint()) as partial:
        for name in ("1", "2"):
            (partial / name).mkdir()
            (partial / name / "a.bin").write_bytes(b"12345678")
    (folder / "1" / "a.bin").write_bytes(b"1234")
    manifest = read_manifest(folder)
    assert artifacts.find_damage(folder, manifest, "1/") and not artifacts.find_damage(folder, manifest, "2/")


def test_fingerprint_survives_json(tmp_path):
    made = make_fingerprint("train", {"shape": (1, 2), "rate": 1e-4, "none": None}, {})
    with writing(tmp_path / "made", made):
        pass
    assert read_manifest(tmp_path / "made").fingerprint.differences(made) == []
    assert json.loads((tmp_path / "made" / "manifest.json").read_text())["fingerprint"]["stage"] == "train"


def test_lock_goes_with_its_process(tmp_path):
    # a lock file that a killed process left is no obstacle
    (tmp_path / ".made.lock").touch()
    os.utime(tmp_path / ".made.lock", (time.time() - 1e6,) * 2)
    with writing(tmp_path / "made", fingerprint()):
        pass
    assert names(tmp_path) == ["made"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_message_from_tensorflow_s_writers_too(tmp_path):
    with pytest.raises(DataError, match="cannot write to .*no space left on device"), writing_to(tmp_path):
        tf.io.write_file("/dev/full", b"x" * 1_000_000)
    # whatever else TensorFlow says is no full disk
    with pytest.raises(tf.errors.NotFoundError), writing_to(tmp_path):
        tf.io.read_file(str(tmp_path / "none"))
