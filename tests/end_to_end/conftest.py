"""The command line in this process, and runs that are as small as they can be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.datasets import load_digits

from pipeline.cli import main
from pipeline.stages.export import check

# generator quality needs a judge, which trains for longer than all the rest here
NO_JUDGE = ("--set", "evaluate.samples=0")
TINY = (*NO_JUDGE, "--set", "recipe.width=0.0625", "--set", "train.checkpoint_every=10", "--steps", "20")


@pytest.fixture(scope="session")
def ganpipe() -> Callable[..., Result]:
    """Runs `ganpipe ARGUMENTS` and requires its exit code."""

    def run(*arguments: Any, code: int = 0) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            # an export is loaded here; that a fresh process can load it, tests/pipeline/test_export.py shows
            patch.setattr(check, "_run_afresh", check._main)
            result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def finished(ganpipe, made_once, tmp_path_factory) -> Path:
    """The working folder of a whole tiny run over two draws. Tests must not change it."""

    def run(workdir: Path) -> None:
        ganpipe("run", "--workdir", workdir, "--draws", 2, *TINY)

    made = made_once("finished", lambda folder: run(folder / "run")) / "run"
    # a copy for each process, as some tests write its report once more; it names the place it was made at
    copy = Path(shutil.copytree(made, tmp_path_factory.mktemp("finished") / "run"))
    run(copy)
    return copy


@pytest.fixture(scope="session")
def digits_npz(tmp_path_factory) -> Path:
    """Bundled digits as an npz file, split 1,497 / 300."""
    data = load_digits()
    images = (data.images * (255 / 16)).round().astype(np.uint8)
    path = tmp_path_factory.mktemp("npz") / "digits.npz"
    np.savez(
        path,
        x_train=images[300:],
        y_train=data.target[300:],
        x_test=images[:300],
        y_test=data.target[:300],
    )
    return path


@pytest.fixture(scope="session")
def read_json() -> Callable[[Path], Any]:
    """Reads a JSON file."""
    return lambda path: json.loads(path.read_text())


@pytest.fixture(scope="session")
def strays() -> Callable[[Path], list[str]]:
    """Lists hidden files and folders below a working folder: what a run must not leave."""
    return lambda workdir: sorted(str(path.relative_to(workdir)) for path in workdir.rglob(".*"))
