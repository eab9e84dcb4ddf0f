"""A folder's settings are its own: what it was last run with lies between defaults and command line."""

import os

import pytest
import yaml

from pipeline.chain.config import as_document, load_config
from pipeline.chain.remembered import remembering, settle
from pipeline.chain.stages import stage_named
from pipeline.errors import DataError, Interrupted, UsageError
from pipeline.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "run").mkdir()
    return Workspace(tmp_path / "run")


def last_run_with(workspace, stage=None, **options):
    given = {name.replace("__", "."): value for name, value in options.items()}
    with remembering(workspace, settle(workspace, options=given).config, stage and stage_named(stage)):
        pass


def test_a_command_goes_on_from_the_last_and_says_what_it_changes(workspace):
    last_run_with(workspace, train__steps=600, data__image_size=16)
    assert settle(workspace).config.train.steps == 600
    assert settle(workspace).notes == []
    settled = settle(workspace, options={"train.steps": 1200, "data.image_size": 16})
    assert settled.config.train.steps == 1200
    assert settled.notes == ["changed: train.steps 600 -> 1200"]
    afresh = settle(workspace, afresh=True)
    assert afresh.config == load_config()
    assert afresh.notes == ["changed: data.image_size 16 -> default; train.steps 600 -> default"]
    other = workspace.root.parent / "other.yaml"
    other.write_text("train: {batch_size: 8}\n")
    assert settle(workspace, file=other).config == load_config(file=other)


def test_a_stage_writes_its_own_sections(workspace):
    last_run_with(workspace, train__steps=600, draws=3)
    last_run_with(workspace, "export", export__abstain_below=0.8, train__recipe="supervised", seed=2)
    config = settle(workspace).config
    assert (config.export.abstain_below, config.train.recipe, config.seed, config.draws) == (
        0.8,
        "ssgan",
        0,
        3,
    )
    last_run_with(workspace, "train", train__steps=9, seed=1)
    assert (settle(workspace).config.train.steps, settle(workspace).config.seed) == (9, 0)
    # a draw of its own is what the next stage works on
    last_run_with(workspace, "preprocess", seed=7)
    assert (settle(workspace).config.seed, settle(workspace).config.draws) == (7, 1)


def test_what_excludes_each_other_the_command_line_decides(workspace):
    last_run_with(workspace, data__labeled_rate=0.2)
    settled = settle(workspace, options={"data.labels_per_class": 5})
    assert settled.config.data.labeled_rate is None
    assert "data.labeled_rate=0.2" in settled.notes[0]
    with pytest.raises(UsageError, match="not both"):
        settle(workspace, options={"data.labels_per_class": 5, "data.labeled_rate": 0.5})


def test_another_data_set_has_labels_of_its_own(workspace, monkeypatch):
    monkeypatch.chdir(workspace.root.parent)
    last_run_with(workspace, data__dataset="folder:photos", data__labels="labels.csv")
    same = settle(workspace, options={"data.dataset": f"folder:{workspace.root.parent / 'photos'}"})
    assert same.config.data.labels and not same.notes
    other = settle(workspace, options={"data.dataset": "digits"})
    assert other.config.data.labels is None and "data.labels=" in other.notes[0]


def test_settings_of_a_recipe_go_with_it_unless_it_is_the_pair(workspace):
    given = ["recipe.width=0.5"]
    with remembering(workspace, settle(workspace, overrides=given).config):
        pass
    other = settle(workspace, options={"train.recipe": "sgan"})
    assert other.config.recipe == {} and "recipe.width=0.5" in other.notes[0]
    pair = settle(workspace, options={"train.recipe": "supervised"})
    assert pair.config.recipe == {"width": 0.5, "of": "ssgan"}
    with remembering(workspace, pair.config):
        pass
    assert settle(workspace, options={"train.recipe": "ssgan"}).config.recipe == {"width": 0.5}


def test_paths_are_whole_and_what_belongs_to_one_call_is_left_out(workspace, monkeypatch):
    monkeypatch.chdir(workspace.root.parent)
    last_run_with(
        workspace, data__dataset="folder:photos", data__labels="~/l.csv", train__worker_index=1, seed=3
    )
    document = yaml.safe_load(workspace.config.read_text())
    assert document["data"]["dataset"] == f"folder:{workspace.root.parent / 'photos'}"
    assert document["data"]["labels"] == os.path.expanduser("~/l.csv")  # noqa: PTH111
    assert "worker_index" not in document["train"]
    for plain in ("digits", "tfds:mnist", "gaussian:3"):
        assert as_document(load_config(options={"data.dataset": plain}))["data"]["dataset"] == plain


def test_settings_that_made_nothing_are_forgotten_unless_they_can_go_on(workspace):
    def fails(error, **options):
        with pytest.raises(type(error)), remembering(workspace, load_config(options=options)):
            raise error

    fails(DataError("x"), draws=2)
    assert not workspace.config.exists()
    last_run_with(workspace, draws=3)
    fails(UsageError("x"), draws=2)
    assert settle(workspace).config.draws == 3
    fails(Interrupted("x"), draws=2)
    assert settle(workspace).config.draws == 2


def test_a_configuration_that_no_longer_holds_says_what_to_do(workspace):
    last_run_with(workspace)
    workspace.config.write_text(workspace.config.read_text() + "gone: 1\n")
    with pytest.raises(UsageError, match=r"config\.yaml.*last run with: unknown setting 'gone'.*--defaults"):
        settle(workspace)
    assert settle(workspace, afresh=True).config == load_config()
