"""`--precision auto`: chosen once, recorded, and the same for all that are compared with each other."""

import json
from pathlib import Path

import pytest

from pipeline.chain.config import load_config
from pipeline.chain.plan import plan_run
from pipeline.stages.train import stage as train
from pipeline.stages.train.precision import ASKED, choose_precision
from pipeline.stages.train.settings import TrainConfig
from pipeline.terminal import Terminal
from pipeline.workspace import Model, Workspace
from ssgan_tf import faster_precision
from ssgan_tf.faster_precision import BFLOAT16, FLOAT32, Speed
from ssgan_tf.training import replicas
from ssgan_tf.training.strategy import make_strategy
from ssgan_tf.training.trained import TrainingRecord

AUTO = TrainConfig(precision="auto")
FAST, SLOW = Speed(0.02, 0.01), Speed(0.01, 0.02)


@pytest.fixture
def measured(monkeypatch):
    """Replaces what is measured; None: nothing may be."""

    def be(speed):
        monkeypatch.setattr(
            faster_precision, "speed_here", lambda: speed or pytest.fail("the machine is measured")
        )

    return be


def recorded(folder, dtype, asked="auto"):
    folder.mkdir(parents=True)
    TrainingRecord("gan", {}, (8, 8, 1), (), dtype, 0, {ASKED: asked}).save(folder)
    return folder


def choose(folder, *companions, config=AUTO):
    return choose_precision(config, make_strategy("default"), folder, companions)


def test_what_is_asked_for_by_name_is_taken(measured, tmp_path):
    measured(None)
    other = recorded(tmp_path / "other", BFLOAT16)
    for name in ("float32", "mixed_float16", "mixed_bfloat16"):
        assert choose(other, other, config=TrainConfig(precision=name)) == (name, "")
    assert TrainConfig().precision == "float32"


@pytest.mark.parametrize(("speed", "dtype"), [(FAST, BFLOAT16), (SLOW, FLOAT32), (Speed(), FLOAT32)])
def test_the_first_training_is_measured_for(measured, tmp_path, speed, dtype):
    measured(speed)
    assert choose(tmp_path, tmp_path / "absent") == (dtype, speed.in_words())


def test_what_is_recorded_stands_whatever_the_machine_is(measured, tmp_path):
    measured(None)
    for dtype in (BFLOAT16, FLOAT32):
        begun = recorded(tmp_path / dtype / "begun", dtype)
        other = recorded(tmp_path / dtype / "other", FLOAT32 if dtype == BFLOAT16 else BFLOAT16)
        assert choose(begun, other) == (dtype, "as it was begun")
        assert choose(tmp_path, begun, other) == (dtype, f"as in {str(begun)!r}")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"dtype": "mixed_bfloat16"}', None],
)
def test_a_record_that_decided_nothing_is_passed_over(measured, tmp_path, text):
    measured(SLOW)
    # asked for by its name, another type, a damaged one
    others = [
        recorded(tmp_path / "a", BFLOAT16, "mixed_bfloat16"),
        recorded(tmp_path / "b", "mixed_float16"),
        recorded(tmp_path / "c", BFLOAT16),
    ]
    record = others[2] / "training.json"
    if text is None:
        document = json.loads(record.read_text())
        del document["loop"][ASKED]
        text = json.dumps(document)
    record.write_text(text)
    assert choose(tmp_path, *others)[0] == FLOAT32


def test_all_processes_take_the_chief_s_choice(measured, monkeypatch, tmp_path):
    measured(None)
    own = recorded(tmp_path / "own", FLOAT32)
    monkeypatch.setattr(replicas.ReplicaRange, "of", lambda strategy: replicas.ReplicaRange(1, 1, 2))
    sent = []

    def broadcast(strategy, range_, variables):
        sent.extend(int(one.numpy()) for one in variables)
        variables[0].assign(1)

    monkeypatch.setattr(replicas, "broadcast_from_chief", broadcast)
    assert choose(own) == (BFLOAT16, "the chief's choice")
    # the chief sends what it chose
    measured(FAST)
    monkeypatch.setattr(replicas.ReplicaRange, "of", lambda strategy: replicas.ReplicaRange(0, 1, 2))
    assert choose(tmp_path)[0] == BFLOAT16 and sent == [0, 1]


def test_a_training_says_and_keeps_the_precision_that_it_was_begun_in(
    measured, prepared_digits, tmp_path, capsys
):
    measured(None)
    output = recorded(tmp_path / "begun", BFLOAT16)
    config = TrainConfig(recipe="gan", steps=1, batch_size=8, precision="auto")
    train.run(config, {}, seed=0, data=prepared_digits, output=output, terminal=Terminal())
    assert "mixed_bfloat16 (auto: as it was begun)" in capsys.readouterr().err
    record = TrainingRecord.load(output)
    assert record.recipe == "gan" and record.settings and record.loop[ASKED] == "auto"
    assert record.dtype == record.build().dtype == BFLOAT16


def test_a_pair_and_all_folds_are_trained_alike(tmp_path, monkeypatch):
    settings = ["train.precision=auto", "data.folds=2"]
    workspace = Workspace(tmp_path / "run")
    nodes = [
        node for node in plan_run(load_config(overrides=settings), workspace) if node.stage.name == "train"
    ]
    # a supervised model of another recipe, and another recipe, are none of the pair
    recorded(workspace.result(0, Model("gan"), "train"), BFLOAT16)
    recorded(workspace.result(0, Model("supervised", "sgan"), "train"), BFLOAT16)
    recorded(workspace.result(1, Model("ssgan"), "train"), BFLOAT16)
    given = []

    def run(config, recipe_settings, *, output, companions):
        given.append(companions)
        return {}

    monkeypatch.setattr(train, "run", run)
    for node in nodes:
        node.action(tmp_path, Terminal(quiet=True))
        recorded(node.folder, FLOAT32)
    # each sees all that were made before it
    assert [sorted(found) for found in given] == [
        sorted(node.folder for node in nodes[:place]) for place in range(len(nodes))
    ]
    assert len(nodes) == 6 and {node.model for node in nodes} == {
        Model("ssgan"),
        Model("supervised", "ssgan"),
    }
    assert nodes[0].fingerprint.parameters["precision"] == "auto"


def test_the_fingerprint_is_the_same_on_every_machine(measured):
    def digests(speed):
        measured(speed)
        nodes = plan_run(load_config(overrides=["train.precision=auto"]), Workspace(Path("nowhere")))
        return [node.fingerprint.digest for node in nodes]

    assert digests(FAST) == digests(SLOW) == digests(None)
