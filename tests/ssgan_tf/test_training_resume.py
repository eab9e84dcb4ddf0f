"""A run that was interrupted ends with the weights of one that was not."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from ssgan_tf.errors import DataError


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_same_seed_gives_the_same_bits(make_loop, state_of, tmp_path):
    loops = [make_loop("gan", hidden=16, folder=tmp_path / str(i), steps=12) for i in range(2)]
    for loop in loops:
        loop.run()
    assert_equal(state_of(loops[0]), state_of(loops[1]))


def test_another_seed_gives_other_weights(make_loop, state_of, tmp_path):
    states = []
    for seed in (0, 1):
        loop = make_loop("gan", hidden=16, folder=tmp_path / str(seed), steps=2, seed=seed)
        loop.run()
        states.append(state_of(loop))
    assert any(not np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_resumed_run_is_bit_identical_whatever_the_steps_per_call(make_loop, state_of, tmp_path):
    whole = make_loop(folder=tmp_path / "whole", steps=30)
    whole.run()
    broken = make_loop(folder=tmp_path / "broken", steps=30)
    stop = threading.Event()
    broken.run(lambda step, _: stop.set() if step >= 10 else None, stop)
    assert int(broken.step.numpy()) < 30
    resumed = make_loop(folder=tmp_path / "broken", steps=30, options={"steps_per_call": 7})
    assert resumed.run() == 30
    assert_equal(state_of(whole), state_of(resumed))


def test_checkpoint_of_other_settings_is_refused(make_loop, tmp_path):
    make_loop("gan", hidden=16, folder=tmp_path / "run", steps=2).run()
    with pytest.raises(DataError, match="another recipe or of other settings"):
        make_loop("gan", hidden=32, folder=tmp_path / "run", steps=4).run()


def test_checkpoint_of_another_recipe_is_refused(make_loop, tmp_path):
    make_loop("supervised", folder=tmp_path / "run", steps=2).run()
    with pytest.raises(DataError, match="another recipe"):
        make_loop("ssgan", folder=tmp_path / "run", steps=4).run()


def test_damaged_checkpoint_is_refused(make_loop, tmp_path):
    loop = make_loop("gan", hidden=16, folder=tmp_path / "run", steps=2)
    loop.run()
    data = next((tmp_path / "run" / "checkpoints").glob("*.data*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(bytes(content))
    with pytest.raises(DataError, match="damaged"):
        make_loop("gan", hidden=16, folder=tmp_path / "run", steps=4).run()


def test_old_checkpoints_are_removed(make_loop, tmp_path):
    loop = make_loop("gan", hidden=16, steps=12, options={"checkpoint_every": 2, "keep_checkpoints": 2})
    loop.run()
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").glob("*.index"))
    assert kept == ["step-10.index", "step-12.index"]


CHILD = """
import sys
from pathlib import Path
import numpy as np
from sklearn.datasets import load_digits
from ssgan_tf.recipes import load_recipe
from ssgan_tf.systems.recipe import DataSpec
from ssgan_tf.training.batches import MemoryBatches
from ssgan_tf.training.loop import Loop
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.strategy import make_strategy

data = load_digits()
images = (data.images * (255 / 16)).round().astype(np.uint8)[..., None]
labels = data.target.astype(np.int32)
labels[300:] = -1
recipe = load_recipe("gan")
settings = recipe.configure("small", dict(hidden=16, batch_size=16, steps=400))
system = recipe.build(settings, DataSpec((8, 8, 1), 10))
folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
loop = Loop(system, MemoryBatches(images, labels, system.streams(), 0), make_strategy("default"),
            LoopOptions(steps=400, checkpoint_every=20, steps_per_call=20, summary_every=20),
            seed=0, folder=folder)
loop.run(lambda step, _: print(step, flush=True))
np.savez(folder / "state.npz", **{k: v.numpy() for k, v in loop.checkpoints.variables.items()})
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def run_to_end(folder):
    process = start(folder)
    process.communicate(timeout=300)
    assert process.returncode == 0
    with np.load(folder / "state.npz") as state:
        return {name: state[name] for name in state.files}


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_steps_it_ends_the_same(tmp_path, kills):
    whole = run_to_end(tmp_path / "whole")
    chance = random.Random(5)
    for number in range(kills):
        process = start(tmp_path / "killed")
        for line in process.stdout:
            if int(line) >= 20:
                break
        # anywhere within the next steps, a checkpoint's write included
        time.sleep(chance.uniform(0.0, 0.3))
        # a later one may have little left to do
        assert number or process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert_equal(whole, run_to_end(tmp_path / "killed"))
