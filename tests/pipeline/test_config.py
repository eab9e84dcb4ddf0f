"""Settings: defaults < file < --set < options, and one message for each mistake."""

import dataclasses
from pathlib import Path

import pytest

from pipeline.chain.config import RunConfig, as_document, load_config
from pipeline.chain.remembered import remembering
from pipeline.chain.yaml_numbers import parse_yaml, yaml_text
from pipeline.errors import UsageError, exit_code
from pipeline.workspace import Workspace
from ssgan_tf.declare import build


def test_order_of_precedence(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("train: {steps: 10, batch_size: 8}\nseed: 4\n")
    config = load_config(
        file=file, overrides=["train.steps=20", "recipe.width=0.5"], options={"train.steps": 30}
    )
    assert (config.train.steps, config.train.batch_size, config.seed) == (30, 8, 4)
    assert config.recipe == {"width": 0.5}
    assert load_config(file=file, overrides=["train.steps=20"]).train.steps == 20
    assert load_config().train.steps is None


def test_document_round_trip():
    config = load_config(overrides=["data.labeled_rate=0.2", "train.recipe=supervised", "seed=3"])
    assert build(RunConfig, as_document(config)) == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.stepz=3", ["train.stepz", "Did you mean 'steps'"]),
        ("trian.steps=3", ["trian", "Did you mean 'train'"]),
        ("train.steps=many", ["train.steps", "whole number", "'many'"]),
        ("train.steps=0", ["train.steps", "from 1", "0"]),
        ("train.steps=1.5", ["train.steps", "1.5"]),
        ("data.image_size=0", ["data.image_size", "from 4", "got 0"]),
        ("data.test_rate=1", ["data.test_rate", "between 0 and 1"]),
        ("data.labeled_rate=0", ["data.labeled_rate", "(0, 1]"]),
        ("data.labels_per_class=some", ["data.labels_per_class", "'all'"]),
        ("data.runner=multi_threading", ["data.runner", "in_memory"]),
        ("data.strict=1", ["data.strict", "true or false"]),
        ("train.strategy=miror", ["train.strategy", "Did you mean 'mirrored'"]),
        ("train.precision=float16", ["train.precision", "mixed_float16"]),
        ("train", ["section.key=value", "'train'"]),
        ("train=5", ["train", "mapping"]),
        ("seed.a=5", ["seed"]),
        ("train.steps=[1", ["not valid YAML"]),
    ],
)
def test_mistakes(override, words):
    with pytest.raises(UsageError) as caught:
        load_config(overrides=[override])
    for word in words:
        assert word in str(caught.value)
    assert exit_code(caught.value) == 2


def test_two_label_budgets_are_refused():
    with pytest.raises(UsageError, match="not both"):
        load_config(options={"data.labels_per_class": 10, "data.labeled_rate": 0.5})


def test_unreadable_file(tmp_path):
    with pytest.raises(UsageError, match="cannot read the configuration"):
        load_config(file=tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(UsageError, match="mapping"):
        load_config(file=tmp_path / "list.yaml")


def test_exponents_are_numbers():
    # YAML 1.1 reads 1e-3 as text
    assert load_config(overrides=["data.test_rate=1e-1"]).data.test_rate == 0.1


@pytest.mark.parametrize(
    "value", ["2_0", "1e3", "٣", "0x10", "1:30", "2024-01-01", "9" * 5000, "true", ".nan"]
)
@pytest.mark.parametrize("key", ["train.steps", "data.labels_per_class", "seed", "draws"])
def test_a_whole_number_is_written_in_decimal_digits(key, value):
    for given in ({"overrides": [f"{key}={value}"]}, {"options": {key: value}}):
        with pytest.raises(UsageError, match="must be a whole number") as caught:
            load_config(**given)
        assert len(str(caught.value)) < 250
    for given in ({"overrides": [f"{key}=010"]}, {"options": {key: "010"}}):
        assert load_config(**given) == load_config(options={key: 10})


@pytest.mark.parametrize(
    "name",
    ["a #2.csv", "a: b", "@x", "*x", "!x", "2024-01-01", "010", "1e3", "no", "'", "it's", "ü", "\udcff"],
)
def test_a_text_is_taken_as_it_stands_and_comes_back_from_a_file(name, tmp_path):
    config = load_config(overrides=[f"data.labels={name}", f"data.dataset=folder:{name}"])
    assert (config.data.labels, config.data.dataset) == (name, f"folder:{name}")
    assert parse_yaml(yaml_text({"labels": name}), "here") == {"labels": name}
    with remembering(Workspace(tmp_path), config):
        pass
    # the file names the same from any folder
    data = load_config(file=Workspace(tmp_path).config).data
    assert (data.labels, data.dataset) == (f"{Path.cwd()}/{name}", f"folder:{Path.cwd()}/{name}")


def test_numbers_come_back_from_a_file(tmp_path):
    config = load_config(overrides=["data.test_rate=1e-3", "recipe.learning_rate=3e-7", "recipe.width=010"])
    assert config.recipe == {"learning_rate": 3e-7, "width": 10}
    with remembering(Workspace(tmp_path), config):
        pass
    assert load_config(file=Workspace(tmp_path).config) == config


def test_no_number_reaches_further_than_what_computes_with_it():
    for key, value in (("train.steps", 2**31), ("draws", 1001), ("data.image_size", 8193)):
        with pytest.raises(UsageError, match=str(value - 1)):
            load_config(options={key: value})
        assert load_config(options={key: value - 1})


def test_every_setting_has_help_and_a_valid_default():
    def check(cls, path):
        for field in dataclasses.fields(cls):
            if dataclasses.is_dataclass(field.type):
                continue
            assert field.metadata.get("help"), f"{path}.{field.name}"

    config = RunConfig()
    check(RunConfig, "run")
    for section in ("data", "train", "evaluate", "export"):
        check(type(getattr(config, section)), section)
    assert build(RunConfig, as_document(config)) == config


def test_a_text_stays_text():
    config = load_config(overrides=["data.labels=7"], options={"data.data_dir": "2024", "train.steps": "30"})
    assert (config.data.labels, config.data.data_dir, config.train.steps) == ("7", "2024", 30)
    assert load_config(overrides=["data.labels=null"]).data.labels is None
    assert load_config(overrides=["data.dataset='digits'"]).data.dataset == "digits"
    assert load_config(options={"data.labels_per_class": "10"}).data.labels_per_class == 10
    assert load_config(options={"data.labels_per_class": "all"}).data.labels_per_class == "all"


@pytest.mark.parametrize(
    "options", [{"seed": "4294967296"}, {"seed": "-1"}, {"seed": 4294967295, "draws": 2}]
)
def test_seeds_that_no_generator_takes_are_refused(options):
    with pytest.raises(UsageError, match="4294967295"):
        load_config(options=options)


def test_every_stage_has_its_section_and_options():
    from pipeline.chain.config import declared
    from pipeline.chain.stages import STAGES

    config = RunConfig()
    for stage in STAGES:
        assert isinstance(getattr(config, stage.section), stage.settings)
        assert all(declared(option) for option in stage.options)
        assert set(stage.borrows) <= {field.name for field in dataclasses.fields(stage.settings)}


def test_a_section_of_a_file_may_be_empty(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("data:\ntrain:\nrecipe:\n")
    assert load_config(file=file, options={"train.steps": 3}).train.steps == 3
    assert load_config(file=file) == load_config()


@pytest.mark.parametrize("override", ["data=0", "data=false", "data=''", "train=[]"])
def test_what_is_no_section_is_refused(override):
    with pytest.raises(UsageError, match="must be a mapping"):
        load_config(overrides=[override])


@pytest.mark.parametrize("setting", ["export.temperature", "evaluate.temperature"])
@pytest.mark.parametrize("value", [".inf", ".nan", "0"])
def test_temperatures_are_finite(setting, value):
    with pytest.raises(UsageError, match="a number above 0"):
        load_config(overrides=[f"{setting}={value}"])


def test_epochs_take_the_place_of_the_steps_of_a_file_and_the_other_way_round(tmp_path):
    file = tmp_path / "run.yaml"
    for given, other in (("steps", "epochs"), ("epochs", "steps")):
        file.write_text(f"train:\n  {given}: 30\n")
        train = load_config(file=file, options={f"train.{other}": "7"}).train
        assert getattr(train, other) == 7 and getattr(train, given) is None
    with pytest.raises(UsageError, match="either train.epochs or a number of steps"):
        load_config(options={"train.epochs": "7", "train.steps": "3"})
