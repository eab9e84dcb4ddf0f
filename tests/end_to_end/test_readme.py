"""The README's commands: those for the user's own images and stage by stage run as they stand."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.cli import main
from pipeline.exported.layout import CARD_FILE
from ssgan_tf.metrics.figures import how_tested
from tests.end_to_end.conftest import NO_JUDGE, TINY

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
    rows = ["path,label,camera"]
    for i in range(150):
        Image.fromarray((data.images[i] * (255 / 16)).astype(np.uint8)).save(f"photos/{i}.png")
        if i < 120:
            rows.append(f"{i}.png,{data.target_names[data.target[i]]},camera {i % 3}")
    Path("labels.csv").write_text("\n".join(rows) + "\n")


def test_own_images(ganpipe, photos):
    line = next(line for line in commands() if line.startswith("ganpipe run --dataset folder:photos"))
    command = (*shlex.split(line)[1:], *TINY, "--no-baseline", "--folds", 2)
    said = ganpipe(*command).stderr
    draw = Path("ganpipe-run/seed-0")
    classifier = draw / "ssgan/export/classifier/1"
    assert (classifier / "saved_model.pb").is_file()
    # 24 test images would say little: the 120 labelled ones are cross-fitted
    keys = (draw / "data/labelled.txt").read_text().splitlines()
    kept = [set((draw / f"fold-{fold}/data/labelled.txt").read_text().splitlines()) for fold in (0, 1)]
    tested = [{line.partition("\t")[0] for line in fold if line.endswith("\ttest")} for fold in kept]
    assert len(keys) == 120 and tested[0] | tested[1] == set(keys) and not tested[0] & tested[1]
    assert all(not names & labelled for names, labelled in zip(tested, kept, strict=True))
    figure = json.loads(Path("ganpipe-run/summary.json").read_text())["figures"]["ssgan"]
    crossed = figure["cross_fitted"]
    assert (crossed["folds"], crossed["images"]) == (2, 120)
    assert figure["mean"] == pytest.approx(sum(crossed["errors"]) / 2)
    assert figure["interval"][0] < figure["mean"] < figure["interval"][1]
    sentence = how_tested(crossed)
    for text in (
        said,
        Path("ganpipe-run/report.html").read_text(),
        (classifier / CARD_FILE).read_text(),
    ):
        assert sentence in text
    page = Path("ganpipe-run/report.html").read_text()
    assert "Holm&#39;s correction for 3 slices" in page
    assert re.search(r"<td[^>]*>camera 2</td><td[^>]*>40</td>", page)
    # what is there is reused, in the folds too
    explained = ganpipe("explain", "--folds", 2, *TINY[:-2], "--steps", 20, "--no-baseline").stdout
    assert explained.count("reused") == 10 and "would run" not in explained
    assert ganpipe("evaluate", *NO_JUDGE).stderr.count("reused") == 3
    text = ganpipe("export", "--force", "--quiet").stderr
    assert "fold" not in text
    # a fold that was trained in another way says nothing of the whole
    shutil.rmtree(draw / "fold-1/ssgan/train")
    assert "fold-1" in ganpipe("evaluate", *NO_JUDGE, code=3).stderr


def test_stage_by_stage(ganpipe, photos):
    names = []
    for line in commands():
        name, *arguments = shlex.split(line)[1:]
        # what ships needs a model that is good, and takes a folder of the machine's; engines, other photos
        # and what serves are other tests'
        elsewhere = ("folder:", "new-photos", "/models/", "--runner")
        if any(words in line for words in elsewhere) or name in ("run", "serve", "runs", "benchmark"):
            continue
        if name == "predict":
            place = arguments.index("photos/*.png")
            arguments[place : place + 1] = [str(path) for path in Path("photos").glob("*.png")]
        # replicas are another test's: one is traced in half the time of two
        ganpipe(name, *arguments, *((*TINY, "--replicas", 1) if name == "train" else ()))
        names.append(name)
    assert names == ["inspect", "preprocess", "train", "evaluate", "export", "explain", "predict"]
    assert len(Path("answers.csv").read_text().splitlines()) == 151
    assert len(Path("labels.csv").read_text().splitlines()) == 121
