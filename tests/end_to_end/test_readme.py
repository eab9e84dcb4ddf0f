"""The README's commands: those for the user's own images and stage by stage run as they stand."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.cli import main
from tests.end_to_end.conftest import TINY

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def commands():
    """Every `ganpipe` line of the README's shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", README, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("ganpipe "):
                yield line


def test_every_option_in_the_readme_exists():
    lines = [*commands(), *re.findall(r"`(ganpipe [^`]*)`", README)]
    assert len(lines) > 10
    for line in lines:
        name, *arguments = shlex.split(line)[1:]
        command = main.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        for argument in arguments:
            if argument.startswith("--"):
                assert argument in known, line


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    data = load_digits()
    rows = ["path,label"]
    for i in range(150):
        Image.fromarray((data.images[i] * (255 / 16)).astype(np.uint8)).save(f"photos/{i}.png")
        if i < 120:
            rows.append(f"{i}.png,{data.target_names[data.target[i]]}")
    Path("labels.csv").write_text("\n".join(rows) + "\n")


def test_own_images(ganpipe, photos):
    line = next(line for line in commands() if "folder:photos" in line)
    ganpipe(*shlex.split(line)[1:], *TINY, "--no-baseline")
    assert Path("ganpipe-run/seed-0/ssgan/export/classifier/1/saved_model.pb").is_file()


def test_stage_by_stage(ganpipe, photos):
    names = []
    for line in commands():
        name, *arguments = shlex.split(line)[1:]
        if "folder:photos" in line or name in ("serve", "runs"):
            continue
        if name == "predict":
            place = arguments.index("photos/*.png")
            arguments[place : place + 1] = [str(path) for path in Path("photos").glob("*.png")]
        ganpipe(name, *arguments, *(TINY if name == "train" else ()))
        names.append(name)
    assert names == ["preprocess", "train", "evaluate", "export", "explain", "predict"]
    assert len(Path("answers.csv").read_text().splitlines()) == 151
    assert len(Path("labels.csv").read_text().splitlines()) == 121
