"""`ganpipe runs`: what lies where, and two runs on one page."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.reporting.compare import differing, short_names


@pytest.fixture
def place(finished, tmp_path):
    """A folder with a run of two draws, one of a single draw and another setting, and a foreign folder."""
    shutil.copytree(finished, tmp_path / "place" / "first")
    second = Path(shutil.copytree(finished, tmp_path / "place" / "deep" / "second"))
    shutil.rmtree(second / "seed-1")
    settings = yaml.safe_load((second / "config.yaml").read_text())
    settings["train"]["image_every"] = 77
    (second / "config.yaml").write_text("# Written by ganpipe\n" + yaml.safe_dump(settings))
    (tmp_path / "place" / "mine").mkdir()
    (tmp_path / "place" / "mine" / "config.yaml").write_text("a: 1\n")
    return tmp_path / "place"


def test_lists_what_came_of_each(ganpipe, place, read_json):
    found = json.loads(ganpipe("runs", place, place / "first", "--json").stdout)
    assert [Path(run["folder"]).name for run in found] == ["second", "first"]
    summary = read_json(place / "first" / "summary.json")
    for run in found:
        assert (run["dataset"], run["recipe"], run["unfinished"], run["problem"]) == (
            "digits",
            "ssgan",
            [],
            None,
        )
        assert list(run["figures"]) == ["ssgan", "supervised"]
        assert run["bytes"] > 10_000
    for name, figure in found[1]["figures"].items():
        wanted = summary["figures"][name]
        assert figure == {"error": wanted["mean"], "interval": wanted["interval"], "errors": wanted["errors"]}
    single = found[0]["figures"]["ssgan"]
    metrics = read_json(place / "first" / "seed-0" / "ssgan" / "evaluate" / "metrics.json")
    assert (single["error"], single["interval"]) == (metrics["error"], metrics["error_interval"])
    table = ganpipe("runs", place).stdout
    assert f"{single['error']:.2%}" in table and "mine" not in table
    # a model that was trained anew since has no test error yet
    shutil.rmtree(place / "first" / "seed-0" / "ssgan" / "train")
    shutil.copytree(
        place / "first" / "seed-1" / "ssgan" / "train", place / "first" / "seed-0" / "ssgan" / "train"
    )
    (broken,) = json.loads(ganpipe("runs", place / "first", "--json").stdout)
    assert "was not made from the model" in broken["problem"] and "ssgan" not in broken["figures"]


def test_two_runs_side_by_side(ganpipe, place, tmp_path):
    page = tmp_path / "compare.html"
    for _ in range(2):
        ganpipe("runs", place / "first", place / "deep" / "second", "--page", page)
    text = page.read_text()
    assert re.findall(r"<tr><td[^>]*>(train\.\w+)</td><td[^>]*>(\w+)</td><td[^>]*>(\w+)</td></tr>", text) == [
        ("train.image_every", "default", "77")
    ]
    # the first draws of both are the same model
    assert (
        "359 test images stand in the first draw of both runs" in text and "right on 0, second alone" in text
    )
    assert text.count("data:image/png;base64,") == 4 and "<svg" in text
    (tmp_path / "mine.html").write_text("<html>mine</html>")
    ganpipe("runs", place, "--page", tmp_path / "mine.html", code=2)
    assert (tmp_path / "mine.html").read_text() == "<html>mine</html>"
    ganpipe("runs", place / "first", "--page", page, code=2)


def test_nothing_there(ganpipe, tmp_path):
    assert "no working folder" in ganpipe("runs", tmp_path).stdout
    assert json.loads(ganpipe("runs", tmp_path, "--json").stdout) == []
    assert "no folder" in ganpipe("runs", tmp_path / "none", code=2).stderr


def test_names_tell_runs_apart(tmp_path):
    assert short_names([tmp_path / "a" / "run", tmp_path / "b" / "run"]) == ["a/run", "b/run"]
    assert short_names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]


def test_settings_that_are_equal_are_left_out():
    from pipeline.chain.config import load_config

    configs = [
        load_config(overrides=text) for text in ([], ["recipe.width=0.5"], ["data.labels_per_class=3"])
    ]
    assert dict(differing(configs)) == {
        "recipe.width": ["default", "0.5", "default"],
        "data.labels_per_class": ["default", "default", "3"],
    }
    assert differing(configs[:1] * 2) == []
