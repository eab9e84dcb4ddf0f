"""A run that is killed in any stage ends, when run again, like one that was not, and leaves no strays."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.end_to_end.conftest import TINY

# what decides a result; event files carry wall times, SavedModels the names of a process's functions
PAYLOAD = ("data/*.tfrecord", "data/dataset.json", "*/train/checkpoints/*.data*", "*/evaluate/metrics.json")


def start(workdir):
    command = [sys.executable, "-m", "pipeline.cli", "run", "--workdir", str(workdir), "--no-baseline", *TINY]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, bufsize=1, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )


def digest(path):
    if ".data-" not in path.name:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    # the values: a checkpoint's graph also holds Keras's names, which count the layers of the process
    reader = tf.train.load_checkpoint(str(path).partition(".data-")[0])
    names = sorted(set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"})
    hashes = hashlib.sha256()
    for name in names:
        hashes.update(name.encode() + np.asarray(reader.get_tensor(name)).tobytes())
    return hashes.hexdigest()


def payload(workdir):
    draw = workdir / "seed-0"
    return {
        str(path.relative_to(draw)): digest(path)
        for pattern in PAYLOAD
        for path in sorted(draw.glob(pattern))
    }


# the line after which the process is killed; each belongs to another stage
@pytest.mark.parametrize(
    "marks",
    [
        ["seed-0/ssgan/export: running"],
        pytest.param(["seed-0/data: running", "seed-0/ssgan/train: running"], marks=pytest.mark.slow),
        pytest.param(["scan 1797", "train ssgan", "evaluate ssgan", "classifier:"], marks=pytest.mark.slow),
    ],
)
def test_killed_runs_end_the_same(finished, tmp_path, strays, marks):
    workdir = tmp_path / "run"
    for mark in marks:
        process = start(workdir)
        for line in process.stderr:
            if mark in line:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
    process = start(workdir)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    expected = {name: digest for name, digest in payload(finished).items() if "supervised" not in name}
    assert payload(workdir) == expected
    assert any(name.startswith("data/train-") for name in expected) and len(expected) > 17
    assert strays(workdir) == []


@pytest.mark.slow
def test_random_kills_damages_and_full_disks_end_the_same_or_with_one_message(tmp_path):
    tool = Path(__file__).parents[2] / "tools" / "crash_test.py"
    command = [sys.executable, str(tool), "--kills", "4", "--damage", "3", "--disk", "2"]
    ended = subprocess.run(
        [*command, "--workdir", str(tmp_path)], capture_output=True, text=True, timeout=900
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    killed = next(line for line in ended.stdout.splitlines() if line.startswith("kill preprocess"))
    assert int(killed.split()[2]) >= 3


def test_sigterm_checkpoints_and_the_same_command_continues(ganpipe, tmp_path, strays):
    workdir = tmp_path / "run"
    arguments = ["--workdir", str(workdir), *TINY[:-1], "100000"]
    ganpipe("preprocess", "--workdir", workdir)
    command = [sys.executable, "-m", "pipeline.cli", "train", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, bufsize=1)
    for line in process.stderr:
        if "train ssgan" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "error: training stopped at step" in errors and "Traceback" not in errors
    kept = list((workdir / "seed-0" / "ssgan").glob(".train.partial-*/checkpoints/*.index"))
    assert kept
    assert not (workdir / "seed-0" / "ssgan" / "train").exists()
    # other settings start afresh, and leave what the stopped run can be continued from
    other = ganpipe("train", "--workdir", workdir, *TINY)
    assert "unfinished" in other.stderr and "steps changed: 100000 -> 20" in other.stderr
    assert kept == list((workdir / "seed-0" / "ssgan").glob(".train.partial-*/checkpoints/*.index"))
    listed = ganpipe("clean", "--workdir", workdir)
    assert "MiB" in listed.stdout and str(kept[0].parents[1]) in listed.stdout
    assert strays(workdir) != []
    ganpipe("clean", "--workdir", workdir, "--yes")
    assert strays(workdir) == []
