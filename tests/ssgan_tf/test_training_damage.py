"""Damaged checkpoints: a run goes on from the newest whole one, says so, and loses nothing before it must."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from ssgan_tf.errors import DataError
from ssgan_tf.recipes import load_recipe
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.batches import MemoryBatches
from ssgan_tf.training.checkpoints import Checkpoints, checkpoint_steps
from ssgan_tf.training.history import History
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.strategy import make_strategy

STEPS = 16
OPTIONS = {"checkpoint_every": 4, "steps_per_call": 4, "keep_checkpoints": 3}


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    """The folder and the state of an undisturbed run of STEPS, and the folder as it was at step 12."""
    folder = tmp_path_factory.mktemp("damage")
    run(build(digits, folder / "half", 12))
    shutil.copytree(folder / "half", folder / "whole")
    loop = build(digits, folder / "whole", STEPS)
    run(loop)
    return folder, {name: variable.numpy() for name, variable in loop.checkpoints.variables.items()}


def build(digits, folder, steps=STEPS):
    recipe = load_recipe("gan")
    system = recipe.build(recipe.configure("small", {"hidden": 16, "batch_size": 8}), DataSpec((8, 8, 1), 10))
    options = LoopOptions(steps=steps, **OPTIONS)
    batches = MemoryBatches(*digits, system.streams(), 1)
    return Loop(system, batches, make_strategy("default"), options, seed=1, folder=folder)


def run(loop):
    said = []
    loop.run(on_warning=said.append)
    return said


def missing_index(checkpoints):
    (checkpoints / "step-12.index").unlink()


def cut_index(checkpoints):
    (checkpoints / "step-12.index").write_bytes((checkpoints / "step-12.index").read_bytes()[:-30])


def missing_data(checkpoints):
    (checkpoints / "step-12.data-00000-of-00001").unlink()


def cut_data(checkpoints):
    path = checkpoints / "step-12.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped_byte(checkpoints):
    path = checkpoints / "step-12.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10
    path.write_bytes(bytes(content))


def empty_state(checkpoints):
    (checkpoints / "checkpoint").write_bytes(b"")


def empty_history(checkpoints):
    (checkpoints.parent / "history.npz").write_bytes(b"")


def cut_history(checkpoints):
    path = checkpoints.parent / "history.npz"
    path.write_bytes(path.read_bytes()[:-100])


# the damage, the step from which the run goes on, and the first step of the history
@pytest.mark.parametrize(
    ("damage", "step", "first"),
    [
        (missing_index, 8, 0),
        (cut_index, 8, 0),
        (missing_data, 8, 0),
        (cut_data, 8, 0),
        (flipped_byte, 8, 0),
        (empty_state, 12, 0),
        (empty_history, 12, 12),
        (cut_history, 12, 12),
    ],
)
def test_it_goes_on_from_the_newest_whole_one(finished, digits, tmp_path, damage, step, first):
    folder, expected = finished
    shutil.copytree(folder / "half", tmp_path / "run")
    damage(tmp_path / "run" / "checkpoints")
    loop = build(digits, tmp_path / "run")
    started, reached = [], []
    before = set((tmp_path / "run" / "checkpoints").iterdir())
    begin = loop.watch.begin
    loop.watch.begin = lambda step, *others: started.append(step) or begin(step, *others)

    def first_call(step, _):
        if not reached:
            reached.append(step)
            # nothing is deleted before a newer one is whole
            assert before <= set((tmp_path / "run" / "checkpoints").iterdir())

    said = []
    loop.run(first_call, on_warning=said.append)
    assert started == [step]
    assert len(said) == (damage is not empty_state), said
    assert all(f"step {step}" in text for text in said)
    for name, variable in loop.checkpoints.variables.items():
        np.testing.assert_array_equal(variable.numpy(), expected[name], err_msg=name)
    with (
        np.load(tmp_path / "run" / "history.npz") as history,
        np.load(folder / "whole" / "history.npz") as whole,
    ):
        assert history["first_step"] == first
        np.testing.assert_array_equal(history["values"], whole["values"][first:])
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == sorted(path.name for path in (folder / "whole" / "checkpoints").iterdir())


def test_all_damaged_is_one_message_and_nothing_is_deleted(finished, digits, tmp_path):
    shutil.copytree(finished[0] / "half", tmp_path / "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    for path in checkpoints.glob("*.data*"):
        path.write_bytes(path.read_bytes()[:1000])
    before = {path: path.read_bytes() for path in checkpoints.iterdir()}
    with pytest.raises(DataError) as caught:
        run(build(digits, tmp_path / "run"))
    for step in (4, 8, 12):
        assert f"step-{step}' is damaged" in str(caught.value)
    assert "\n" not in str(caught.value) and "Nothing was deleted" in str(caught.value)
    assert before == {path: path.read_bytes() for path in checkpoints.iterdir()}


def test_two_damaged_the_third_serves(finished, digits, tmp_path):
    shutil.copytree(finished[0] / "half", tmp_path / "run")
    missing_index(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "checkpoints" / "step-8.data-00000-of-00001").write_bytes(b"")
    loop = build(digits, tmp_path / "run")
    (said,) = run(loop)
    assert "step-12" in said and "step-8" in said and "from step 4" in said
    for name, variable in loop.checkpoints.variables.items():
        np.testing.assert_array_equal(variable.numpy(), finished[1][name], err_msg=name)


def test_a_first_write_that_was_cut_off_is_no_damage(finished, digits, tmp_path):
    (tmp_path / "checkpoints" / "step-4_temp").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-4.data-00000-of-00001").write_bytes(b"half")
    loop = build(digits, tmp_path)
    assert run(loop) == []
    for name, variable in loop.checkpoints.variables.items():
        np.testing.assert_array_equal(variable.numpy(), finished[1][name], err_msg=name)


def test_interrupted_writes_are_not_kept(finished, digits, tmp_path):
    shutil.copytree(finished[0] / "whole", tmp_path / "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    before = sorted(path.name for path in checkpoints.iterdir())
    (checkpoints / "step-16_temp").mkdir()
    (checkpoints / "step-16_temp" / "part-00000-of-00001.index").write_bytes(b"half")
    (checkpoints / "step-12.index.tempstate77").write_bytes(b"half")
    (checkpoints / "step-3.data-00000-of-00001").write_bytes(b"half")
    run(build(digits, tmp_path / "run"))
    assert sorted(path.name for path in checkpoints.iterdir()) == before


def test_a_failed_write_keeps_the_ones_before(finished, digits, tmp_path, monkeypatch):
    shutil.copytree(finished[0] / "half", tmp_path / "run")
    loop = build(digits, tmp_path / "run")

    def full(path):
        (tmp_path / "run" / "checkpoints" / "step-16_temp").mkdir()
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}; No space left on device")

    monkeypatch.setattr(loop.checkpoints, "_checkpoint", type("Full", (), {"write": staticmethod(full)}))
    before = sorted((tmp_path / "run" / "checkpoints").iterdir())
    with pytest.raises(DataError, match="No space left"):
        run(loop)
    assert sorted((tmp_path / "run" / "checkpoints").iterdir()) == before


def test_rotation_keeps_the_newest_whole_ones(tmp_path):
    checkpoints = Checkpoints(tmp_path, {"x": tf.Variable(1.0)}, keep=2)
    for step in (2, 4, 6):
        checkpoints.save(step)
    assert checkpoint_steps(tmp_path) == [4, 6]
    (tmp_path / "step-6.index").unlink()
    again = Checkpoints(tmp_path, {"x": tf.Variable(0.0)}, keep=2)
    assert again.restore() and float(again.variables["x"]) == 1.0
    assert again.latest == tmp_path / "step-4"
    again.save(5)
    # what is damaged beyond the step reached stays until it is passed
    assert checkpoint_steps(tmp_path) == [4, 5, 6]
    again.save(7)
    assert checkpoint_steps(tmp_path) == [5, 7]
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "step-7")


@pytest.mark.parametrize("step", [3, 20])
def test_a_history_of_other_steps_begins_again(tmp_path, step):
    history = History(tmp_path / "history.npz")
    history.begin(5)
    history.add(["a"], np.ones([4, 1], np.float32), 1.0)
    history.save()
    said = []
    other = History(tmp_path / "history.npz")
    other.begin(step, said.append)
    assert other.steps == 0 and f"step {step}" in said[0] and "from 5 to 9" in said[0]
