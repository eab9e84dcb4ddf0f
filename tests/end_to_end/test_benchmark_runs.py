"""`ganpipe benchmark` on real runs: what it reuses, what its table says, and that it goes on after a kill."""

import csv
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline.benchmark.asked import settle
from pipeline.benchmark.table import CELL_COLUMNS
from pipeline.chain.ownership import is_working_folder
from pipeline.stages.train import stage
from pipeline.workspace import Workspace
from tests.end_to_end.conftest import TINY

OVERRIDES = [TINY[place + 1] for place, word in enumerate(TINY) if word == "--set"]


def without_time(document):
    """A table but for what a clock gave."""
    for row in document["rows"]:
        for model in row["models"].values():
            assert model.pop("seconds") > 0
    return document


def times(root):
    """When each model below a folder was published."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("train/manifest.json")}


def test_cells_are_runs_and_the_table_is_theirs(ganpipe, finished, tmp_path, read_json):
    root = tmp_path / "bench"
    root.mkdir()
    given = {"recipes": "ssgan", "labels_per_class": "10", "draws": "2"}
    settle(root, given, overrides=OVERRIDES, options={"train.steps": TINY[-1]}).save(root)
    # a run of the same settings is what the cells would be: nothing is trained
    shutil.copytree(finished, root / "labels-10")
    models = times(root)
    options = ("--recipes", "ssgan", "--labels-per-class", 10, "--draws", 2, *TINY, "--workdir", root)
    said = ganpipe("benchmark", *options).stderr
    assert times(root) == models and len(models) == 4
    summary, document = read_json(finished / "summary.json"), read_json(root / "benchmark.json")
    (row,) = document["rows"]
    for role, name in (("recipe", "ssgan"), ("baseline", "supervised")):
        figure, model = summary["figures"][name], row["models"][role]
        assert model["errors"] == figure["errors"] and model["interval"] == figure["interval"]
        assert model["mean"] == pytest.approx(figure["mean"])
        assert model["worst"] == max(figure["errors"]) and model["steps"] == [20]
        assert model["deviation"] == pytest.approx(np.std(figure["errors"], ddof=1))
    paired = summary["paired_difference"]
    assert all(
        row["difference"][name] == paired[name] for name in ("differences", "mean", "interval", "by_draw")
    )
    assert row["labels"] == 100 and document["missing"] == [] and document["published"] is None
    rows = list(csv.DictReader((root / "benchmark.csv").open()))
    assert tuple(rows[0]) == CELL_COLUMNS and [r["seed"] for r in rows] == ["0", "1"]
    assert [float(r["error"]) for r in rows] == row["models"]["recipe"]["errors"]
    assert "[1/2] ssgan, 10 labels a class, seed 0" in said and "[2/2]" in said and "mean of 2 draws" in said
    # its budgets are working folders like others, and the benchmark is none
    assert is_working_folder(Workspace(root / "labels-10")) and not is_working_folder(Workspace(root))
    assert "would run" not in ganpipe("explain", "--workdir", root / "labels-10").stdout
    # finished cells are not looked into again, and a bare command goes on
    again = ganpipe("benchmark", "--workdir", root).stderr
    assert "2 cells, 2 of them there already" in again and "[1/2]" not in again
    assert read_json(root / "benchmark.json") == document


def test_a_variant_is_compared_with_its_recipe_on_the_same_draws(
    ganpipe, finished, tmp_path, read_json, monkeypatch
):
    root = tmp_path / "bench"
    # a model that is there, of the other draw, stands for the variant's: it errs on other images
    there = finished / "seed-1" / "ssgan" / "train"

    def trained(config, *, output):
        own = shutil.ignore_patterns("manifest.json", "verified.json")
        shutil.copytree(there, output, dirs_exist_ok=True, ignore=own)
        return read_json(there / "manifest.json")["summary"]

    monkeypatch.setattr(stage, "run", trained)
    root.mkdir()
    given = {"recipes": "ssgan", "labels_per_class": "10", "draws": "1"}
    settle(root, given, overrides=OVERRIDES, options={"train.steps": TINY[-1], "baseline": False}).save(root)
    shutil.copytree(finished, root / "labels-10")
    models = times(root)
    more = ("--recipes", "ssgan,hasty=ssgan", "--set", "hasty.learning_rate=0.01")
    said = ganpipe("benchmark", *more, "--workdir", root).stderr
    assert times(root / "labels-10") == models, "the recipe's models are not the variant's"
    assert sorted(path.name for path in root.glob("labels-*")) == ["labels-10", "labels-10-hasty"]
    one, other = root.glob("labels-10*/seed-0/data/labelled.txt")
    assert one.read_bytes() == other.read_bytes()
    document = read_json(root / "benchmark.json")
    plain, hasty = document["rows"]
    assert (plain["recipe"], plain["variant_of"], hasty["recipe"], hasty["variant_of"]) == (
        "ssgan",
        None,
        "hasty",
        "ssgan",
    )
    paired = hasty["against"]
    assert "against" not in plain and paired["recipe"] == "ssgan" and paired["seeds"] == [0]
    errors = [row["models"]["recipe"]["errors"] for row in (plain, hasty)]
    assert errors[0] != errors[1]
    assert paired["differences"] == pytest.approx(np.subtract(*reversed(errors)))
    assert paired["mean"] == pytest.approx(
        hasty["models"]["recipe"]["mean"] - plain["models"]["recipe"]["mean"]
    )
    words = "ssgan with recipe.learning_rate=0.01"
    assert document["variants"][0]["words"] == words and document["variants"][0]["own"] == {
        "learning_rate": 0.01
    }
    rows = list(csv.DictReader((root / "benchmark.csv").open()))
    assert [(row["recipe"], row["variant_of"], row["own_settings"]) for row in rows] == [
        ("ssgan", "", ""),
        ("hasty", "ssgan", words),
    ]
    assert [float(row["error_against_first"]) for row in rows[1:]] == pytest.approx(paired["differences"])
    assert f"hasty: {words}" in said and "[2/2] hasty, 10 labels a class, seed 0" in said
    assert f"hasty, 10 labels a class: {paired['verdict']}" in said
    for ending in ("md", "html"):
        text = (root / f"benchmark.{ending}").read_text()
        assert words in text and paired["verdict"] in text
    # its folder is a working folder with its settings
    explained = ganpipe("explain", "--workdir", root / "labels-10-hasty").stdout
    assert "train: reused" in explained and explained.count("would run") == 1, "but for the export"
    again = ganpipe("benchmark", "--workdir", root).stderr
    assert "2 cells, 2 of them there already" in again and read_json(root / "benchmark.json") == document


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--labels-per-class", "2,5,500"], 3, ["500", "class '8'", "139", "Budgets that go: 2, 5"]),
        (["--labels-per-class", "2,x"], 2, ["2,x", "2,5,10"]),
        (["--labels-per-class", "2", "--recipes", "ssgan,sgann"], 2, ["'sgann'", "Did you mean 'sgan'"]),
        (["--labels-per-class", "2", "--draws", "0"], 2, ["draws", "got 0"]),
        (["--labels-per-class", "2", "--processes", "0"], 2, ["processes", "got 0"]),
        (["--labels-per-class", "2", "--dataset", "digit"], 2, ["'digit'", "'digits'"]),
        (["--labels-per-class", "2", "--recipes", "gan"], 2, ["unsupervised"]),
        (["--curve", "--set", "data.test_rate=0.97"], 3, ["3 budgets", "would do"]),
        ([], 2, ["--labels-per-class 2,5,10"]),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(ganpipe, tmp_path, arguments, code, words):
    said = ganpipe("benchmark", *arguments, "--workdir", tmp_path / "bench", code=code).stderr
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_and_continued_it_ends_with_the_same_table(ganpipe, tmp_path, read_json, strays):
    def options(root, *more):
        asked = ("--labels-per-class", "2,5", "--draws", "2", "--first-seed", "100", "--no-baseline")
        return [*asked, *TINY, "--workdir", str(root), *more]

    def command(*arguments):
        return [sys.executable, "-m", "pipeline.cli", "benchmark", *arguments]

    whole, killed, spread = (tmp_path / name for name in ("whole", "killed", "spread"))
    process = subprocess.Popen(command(*options(killed)), stderr=subprocess.DEVNULL)
    # in the second cell, after its first checkpoint
    second = killed / "labels-5" / "seed-100" / "ssgan"
    while not list(second.glob(".train.partial-*/checkpoints/*.index")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (killed / "cells" / "ssgan-labels-2-seed-100.json").exists()
    first = times(killed / "labels-2")
    ganpipe("benchmark", *options(killed))
    assert len(first) == 1 and times(killed / "labels-2").items() >= first.items()
    assert strays(killed) == []
    ganpipe("benchmark", *options(whole))
    expected = without_time(read_json(whole / "benchmark.json"))
    assert without_time(read_json(killed / "benchmark.json")) == expected
    assert len(expected["rows"]) == 2 and expected["seeds"] == [100, 101]
    # on two processes: the same cells, each made once
    ended = subprocess.run(
        command(*options(spread, "--processes", "2")), capture_output=True, text=True, timeout=900
    )
    assert ended.returncode == 0, ended.stderr
    assert "[4/4]" in ended.stderr and strays(spread) == []
    found = without_time(read_json(spread / "benchmark.json"))
    for row, other in zip(found["rows"], expected["rows"], strict=True):
        for role, model in row["models"].items():
            # one thread adds in another order than several
            assert model["errors"] == pytest.approx(other["models"][role]["errors"], abs=0.02)
