"""What stops or warns a run: values that are not finite, collapse, a full disk, growing memory."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from ssgan_tf.errors import TrainingDiverged
from ssgan_tf.training.guards import CollapseGuard


def test_divergence_names_step_and_term_and_keeps_the_checkpoint(make_loop, tmp_path):
    loop = make_loop("gan", hidden=16, steps=20, options={"checkpoint_every": 4, "steps_per_call": 4})
    poisoned = loop.networks["discriminator"].variables[0].value

    def poison(step, _):
        if step == 8:
            poisoned.assign(poisoned * np.nan)

    with pytest.raises(TrainingDiverged) as caught:
        loop.run(poison)
    # the weights are looked at before they are saved: step 8 is never written
    assert "weight-discriminator-000-kernel is not finite at step 8" in str(caught.value)
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").glob("*.index"))
    assert kept == ["step-4.index"]
    assert "step-4" in str(caught.value)


def test_nan_loss_names_its_step(make_loop):
    loop = make_loop("gan", hidden=16, steps=20, options={"checkpoint_every": 10, "steps_per_call": 5})
    poisoned = loop.networks["discriminator"].variables[0].value

    def poison(step, _):
        if step == 5:
            poisoned.assign(poisoned * np.nan)

    with pytest.raises(TrainingDiverged, match=r"discriminator/\w+ is NaN at step 5\."):
        loop.run(poison)


def test_collapse_is_said_once():
    said = []
    guard = CollapseGuard(said.append)
    real = np.random.default_rng(0).random((32, 8, 8))
    varied = np.random.default_rng(1).random((32, 8, 8)) * 0.5
    guard.generated(1, varied, real)
    assert said == []
    for step in (2, 3):
        guard.generated(step, np.ones((32, 8, 8)) * 0.7, real)
    assert len(said) == 1 and "at step 2" in said[0] and "collapsed" in said[0]


def test_saturated_discriminator_is_said_once():
    said = []
    guard = CollapseGuard(said.append)
    names = ["discriminator/loss", "generator/loss"]
    guard.losses(10, names, np.array([[1e-6, 9.0], [0.5, 9.0]]))
    assert said == []
    guard.losses(20, names, np.full((2, 2), 1e-6))
    guard.losses(30, names, np.full((2, 2), 1e-6))
    assert len(said) == 1 and "at step 20" in said[0]
    # a supervised classifier's loss may be 0
    CollapseGuard(said.append).losses(20, ["discriminator/loss"], np.zeros((2, 1)))
    assert len(said) == 1


FULL = """
import signal, resource, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))
from pipeline.cli import main
main(sys.argv[1:])
"""


def test_full_disk_is_one_message(tmp_path):
    workdir = str(tmp_path / "run")
    assert CliRunner().invoke(main, ["preprocess", "--workdir", workdir, "--quiet"]).exit_code == 0
    # files cannot grow past 30 kB, as on a disk that is full
    arguments = ["train", "--workdir", workdir, "--steps", "4", "--set", "recipe.width=0.125"]
    result = subprocess.run(
        [sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 3, result.stderr
    assert "cannot write" in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "run" / "seed-0" / "ssgan" / "train").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_steps(make_loop):
    def resident():
        pages = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    loop = make_loop(steps=2400, options={"checkpoint_every": 200})
    seen = {}
    loop.run(lambda step, _: seen.update({step: resident()}))
    assert seen[2400] - seen[400] < 40, seen
