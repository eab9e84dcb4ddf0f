"""A user's mistake: one message that says what, which value and what would be right; its exit code;
nothing half-written.
"""

import shutil

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import DataError
from ssgan_tf.training.trained import load_trained
from tests.end_to_end.conftest import TINY


def message(result):
    lines = [line for line in result.stderr.splitlines() if line.startswith(("error:", "Error:"))]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--recipe", "ssgann"], 2, ["unknown recipe 'ssgann'", "Did you mean 'ssgan'"]),
        (["run", "--preset", "smal"], 2, ["preset", "'smal'", "'small'"]),
        (["run", "--dataset", "digit"], 2, ["'digit'", "'digits'"]),
        (["run", "--set", "recipe.widht=1"], 2, ["widht", "'width'"]),
        (["run", "--set", "recipe.width=wide"], 2, ["recipe.width must be a number", "'wide'"]),
        (["run", "--set", "train.stepz=1"], 2, ["train.stepz", "'steps'"]),
        (["run", "--epochs", "2", "--steps", "3"], 2, ["train.epochs", "not both"]),
        (["run", "--epochs", "0"], 2, ["train.epochs", "got"]),
        (["run", "--replicas", "2"], 2, ["replicas=2", "strategy=mirrored"]),
        (["run", "--image-size", "0"], 2, ["data.image_size", "got 0"]),
        (["run", "--labels-per-class", "10", "--labeled-rate", "0.1"], 2, ["not both"]),
        (["run", "--force", "trian"], 2, ["'trian'", "'train'"]),
        (["run", "--dataset", "folder:/nowhere/photos"], 3, ["/nowhere/photos"]),
        (["run", "--dataset", "idx:/nowhere/mnist"], 3, ["/nowhere/mnist"]),
        (["run", "--dataset", "npz:/nowhere/x.npz"], 3, ["/nowhere/x.npz"]),
        (["run", "--labels-per-class", "500"], 3, ["500", "class"]),
        (["run", "--config", "/nowhere/run.yaml"], 2, ["/nowhere/run.yaml"]),
        (["train"], 3, ["no result of preprocess", "ganpipe preprocess"]),
        (["evaluate"], 3, ["no result of train", "ganpipe train"]),
        (["export"], 3, ["no result of train"]),
    ],
)
def test_refused_before_anything_is_written(ganpipe, tmp_path, arguments, code, words):
    workdir = tmp_path / "run"
    text = message(ganpipe(*arguments, "--workdir", workdir, code=code))
    for word in words:
        assert word in text
    left = [path for path in workdir.rglob("*") if path.is_file()] if workdir.exists() else []
    assert [path.name for path in left if path.name not in ("ganpipe.log", "config.yaml")] == []


@pytest.mark.parametrize("command", ["run", "preprocess", "explain", "clean"])
def test_a_folder_of_the_user_s_is_left_as_it_is(ganpipe, tmp_path, command):
    (tmp_path / "report.html").write_text("mine")
    assert "'report.html'" in message(ganpipe(command, "--workdir", tmp_path, code=2))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.html", "mine")]


@pytest.mark.parametrize("command", ["run", "preprocess"])
def test_a_trained_model_is_not_lost_to_another_data_set(ganpipe, finished, digits_npz, command):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.suffix in (".json", ".yaml")}
    text = message(ganpipe(command, "--dataset", f"npz:{digits_npz}", "--workdir", finished, code=2))
    for word in ("trained on the data set 'digits'", str(digits_npz), "--workdir", "--force preprocess"):
        assert word in text
    assert before == {path: path.read_bytes() for path in before}


def test_explaining_says_what_a_run_would_refuse(ganpipe, finished, digits_npz):
    said = ganpipe("explain", "--dataset", f"npz:{digits_npz}", "--workdir", finished).stderr
    assert "`ganpipe run` would refuse" in said and "--force preprocess" in said
    assert "refuse" not in ganpipe("explain", "--workdir", finished).stderr


def test_force_gives_the_folder_to_another_data_set(ganpipe, finished, digits_npz, tmp_path):
    shutil.copytree(finished / "seed-0", tmp_path / "run" / "seed-0")
    arguments = ("--dataset", f"npz:{digits_npz}", "--workdir", tmp_path / "run")
    ganpipe("preprocess", *arguments, "--force")
    # the model in it is of the other data, but a wrong first try is no reason to refuse a second
    assert "reused" in ganpipe("preprocess", *arguments).stderr


def test_doubtful_classes_stop_what_would_prepare_them_and_nothing_else(ganpipe, tmp_path):
    for name, count in (("cat", 3), ("dog", 3), ("trip", 40)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(count):
            (tmp_path / "photos" / name / f"{i}.png").write_bytes(b"never looked into")
    options = ("--dataset", f"folder:{tmp_path / 'photos'}", "--workdir", tmp_path / "run")
    for command in ("run", "preprocess"):
        result = ganpipe(command, *options, code=3)
        assert "are doubtful" in message(result)
        for word in ("'trip' holds 40 of the 46 images", "--unlabelled-folders trip", "--yes"):
            assert word in result.stderr
        assert not (tmp_path / "run").exists()
    assert "doubtful" not in ganpipe("explain", *options).stderr
    # the images come next, and these are none
    assert "no usable training image" in message(ganpipe("preprocess", *options, "--yes", code=3))


def test_unknown_command_and_option(ganpipe):
    assert "train" in message(ganpipe("trian", code=2))
    assert "--steps" in message(ganpipe("train", "--stepz", "3", code=2))


def test_a_mistake_leaves_no_folder_behind(ganpipe, tmp_path):
    message(ganpipe("explain", "--workdir", tmp_path / "x" / "y" / "z", "--dataset", "nope", code=2))
    assert list(tmp_path.iterdir()) == []


def test_explaining_a_folder_that_is_not_there_makes_none(ganpipe, tmp_path):
    assert "would run" in ganpipe("explain", "--workdir", tmp_path / "notthere").stdout
    assert list(tmp_path.iterdir()) == []


def test_paths_that_no_file_can_have(ganpipe, tmp_path):
    for arguments in (
        ("preprocess", "--workdir", tmp_path / ("x" * 300)),
        ("clean", "--workdir", tmp_path / ("x" * 300)),
        ("preprocess", "--dataset", f"folder:{'x' * 300}", "--workdir", tmp_path / "run"),
        ("serve", "x" * 300),
        ("predict", "x" * 300),
    ):
        text = message(ganpipe(*arguments, code=2))
        assert "longer than a file's can be" in text and len(text) < 250
    assert "it is empty" in message(ganpipe("preprocess", "--workdir", "", code=2))


def test_workdir_cannot_be_written(ganpipe, tmp_path):
    (tmp_path / "file").touch()
    text = message(ganpipe("run", "--workdir", tmp_path / "file" / "run", code=3))
    assert "cannot write to" in text and "file" in text


@pytest.fixture
def prepared(finished, tmp_path):
    """A copy of prepared data, to damage."""
    workdir = tmp_path / "run"
    shutil.copytree(finished / "seed-0" / "data", workdir / "seed-0" / "data")
    return workdir


def test_truncated_shard(ganpipe, prepared):
    shard = next((prepared / "seed-0" / "data").glob("train-00003*"))
    shard.write_bytes(shard.read_bytes()[:-7])
    text = message(ganpipe("train", *TINY, "--workdir", prepared, code=3))
    assert shard.name in text and "Run `ganpipe preprocess` again" in text


def test_corrupt_shard(ganpipe, prepared, strays):
    shard = next((prepared / "seed-0" / "data").glob("train-00003*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    text = message(ganpipe("train", *TINY, "--workdir", prepared, code=3))
    assert shard.name in text and "checksum" in text and "Run `ganpipe preprocess` again" in text
    assert not (prepared / "seed-0" / "ssgan" / "train").exists()


def test_damaged_shard_is_made_again_by_run(ganpipe, finished, prepared):
    shard = next((prepared / "seed-0" / "data").glob("train-00003*"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-7])
    ganpipe("preprocess", "--workdir", prepared)
    assert shard.read_bytes() == whole


def test_checkpoint_of_another_recipe(ganpipe, finished, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(finished / "seed-0", workdir / "seed-0")
    ours, other = (workdir / "seed-0" / name / "train" for name in ("ssgan", "ssgan/supervised"))
    for path in (other / "checkpoints").iterdir():
        shutil.copy(path, ours / "checkpoints")
    text = message(ganpipe("export", "--workdir", workdir, "--force", code=3))
    assert "is damaged" in text and "Run `ganpipe train` again" in text
    # and where no manifest tells, the variables do
    with pytest.raises(DataError, match="of another recipe or of other settings"):
        load_trained(ours)


def test_divergence_stops_with_step_and_keeps_the_last_good_checkpoint(ganpipe, prepared):
    text = message(
        ganpipe(
            "train", *TINY, "--workdir", prepared, "--set", "recipe.learning_rate=1e30",
            "--set", "train.checkpoint_every=1", code=4,
        )
    )  # fmt: skip
    assert "diverged" in text and "at step" in text
    assert not (prepared / "seed-0" / "ssgan" / "train").exists()


def test_unreadable_image_is_skipped_counted_and_listed(ganpipe, tmp_path, read_json):
    photos = tmp_path / "photos"
    numbers = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (photos / name).mkdir(parents=True)
        for i in range(12):
            pixels = numbers.integers(0, 255, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(photos / name / f"{i}.png")
    (photos / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    place = ("--dataset", f"folder:{photos}", "--labels-per-class", 4, "--workdir", tmp_path / "run")
    place += ("--folds", 0)
    result = ganpipe("preprocess", *place)
    data = tmp_path / "run" / "seed-0" / "data"
    assert read_json(data / "dataset.json")["rejected"] == 1
    rejected = read_json(data / "provenance" / "source.json")["rejected"]
    assert [entry["place"] for entry in rejected] == ["cat/broken.png"]
    assert "1" in result.stderr and "broken.png" in result.stderr
    text = message(ganpipe("preprocess", *place, "--strict", code=3))
    assert "cat/broken.png" in text


def test_a_folder_without_labels_says_what_to_write(ganpipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a, b.png", "c.png"):
        Image.new("L", (8, 8)).save(f"photos/{name}")
    arguments = ("run", "--dataset", "folder:photos", "--workdir", "run")
    text = ganpipe(*arguments, code=3).stderr
    assert "error: the data set 'folder:photos' has no labels, and recipe ssgan learns from some" in text
    assert "--recipe dcgan or gan." in text and not (tmp_path / "run").exists()
    lines = [line.strip() for line in text.splitlines()]
    start = lines.index("path,label")
    assert "mkdir -p photos/dog && mv photos/c.png photos/dog/" in lines
    # what it says can be done, and then the run has its labels
    (tmp_path / "labels.csv").write_text("\n".join(lines[start : start + 3]) + "\n")
    assert "would run" in ganpipe("explain", *arguments[1:], "--labels", "labels.csv").stdout
    assert "would run" in ganpipe("explain", *arguments[1:], "--recipe", "dcgan").stdout
    (tmp_path / "empty.csv").write_text("path,label\nc.png,\n")
    assert "column label" in ganpipe(*arguments, "--labels", "empty.csv", code=3).stderr
