"""The table of results measured again: what goes in, and that a second call runs nothing."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from ssgan_tf.recipes import load_recipe, recipe_names

TOOL = Path(__file__).resolve().parent.parent / "tools" / "reproduce.py"


@pytest.fixture(scope="module")
def reproduce():
    spec = importlib.util.spec_from_file_location("reproduce", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_run_becomes_a_row_once(reproduce, tmp_path, monkeypatch, capfd):
    arguments = ["gaussian", "--steps", "100", "--seeds", "1", "--workdir", str(tmp_path)]
    more = ["--", "--set", "evaluate.samples=200"]
    assert reproduce.main([*arguments, *more]) == 0
    (row,) = json.loads((tmp_path / "reproduction.json").read_text()).values()
    assert row["steps"] == 100 and row["documented_steps"] == 2500
    assert row["seconds"] > 0 and row["examples_per_second"] > 0 and "cores" in row["machine"]
    assert {"mean", "covariance", "true_mean"} <= row["generation"].keys()
    assert row["losses"]["discriminator/loss"] == pytest.approx(0.69, abs=0.3)
    assert "evaluate.samples=200" in row["options"] and "documented" in row["options"]
    assert f"discriminator right {row['losses']['discriminator/accuracy']:.1%}" in row["got"]
    table = (tmp_path / "reproduction.md").read_text()
    assert "| 100 (2,500) |" in table and row["got"] in table and row["original"] in table

    def must_not_run(*_):
        raise AssertionError("it is in the table")

    monkeypatch.setattr(reproduce.subprocess, "call", must_not_run)
    assert reproduce.main([*arguments, *more]) == 0
    assert "in the table" in capfd.readouterr().err
    with pytest.raises(AssertionError):
        reproduce.main(["gaussian", "--steps", "101", "--seeds", "1", "--workdir", str(tmp_path)])


def test_every_recipe_but_the_baseline_documents_its_result(reproduce, capsys):
    documented = {recipe.name for recipe in reproduce._chosen(["all"])}
    assert documented == set(recipe_names()) - {"supervised"}
    with pytest.raises(SystemExit):
        reproduce.main(["dcgn"])
    assert "Did you mean 'dcgan'" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "supervised"])
def test_documented_options_are_valid(reproduce, name, tmp_path):
    from pipeline.cli import main

    options = reproduce.run_options(load_recipe(name), tmp_path, 7, ["--draws", "2"])
    assert f"idx:{tmp_path / 'mnist'}" in options or name == "gaussian"
    assert "tfds:mnist" in reproduce.run_options(load_recipe(name), None, None, []) or name == "gaussian"
    command = main.commands["run"]
    values = command.make_context("run", ["--recipe", name, *options]).params
    assert values["train__steps"] == "7" and values["draws"] == "2"


def test_pictures_stand_side_by_side(reproduce):
    pictures = [np.full(shape, value, np.uint8) for shape, value in (((4, 6, 1), 10), ((2, 3), 20))]
    together = reproduce.side_by_side(pictures)
    assert together.shape == (4, 6 + 8 + 3)
    assert (together[:, :6] == 10).all() and (together[:2, 14:] == 20).all()
    assert not together[:, 6:14].any() and not together[2:, 14:].any()


def test_a_failed_run_leaves_the_table_as_it_was(reproduce, tmp_path):
    code = reproduce.main(
        ["gan", "--data-dir", str(tmp_path / "nowhere"), "--workdir", str(tmp_path / "work")]
    )
    assert code == 3
    assert not (tmp_path / "work" / "reproduction.json").exists()
