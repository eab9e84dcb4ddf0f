"""`ganpipe evaluate --foreign`: how well images of another source are told from those tested on."""

import shutil

import numpy as np
import pytest

from ssgan_tf.reference import SCORES


@pytest.fixture
def workdir(finished, tmp_path):
    """A copy of a finished run to evaluate once more."""
    return shutil.copytree(finished, tmp_path / "run")


def test_foreign_images_are_measured_score_by_score(ganpipe, workdir, digits_npz, tmp_path, read_json):
    with np.load(digits_npz) as stored:
        familiar, labels = stored["x_train"], stored["y_train"]
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, x_train=255 - familiar[:200], y_train=labels[:200])
    evaluated = workdir / "seed-0" / "ssgan" / "evaluate"
    before = read_json(evaluated / "metrics.json")
    said = ganpipe("evaluate", "--workdir", workdir, "--foreign", f"npz:{foreign}").stderr
    metrics = read_json(evaluated / "metrics.json")
    assert {name: metrics[name] for name in ("error", "wrong")} == {n: before[n] for n in ("error", "wrong")}
    assert tuple(metrics["foreign"]) == SCORES and metrics["foreign_images"] == 200
    assert "telling 200 foreign images from held-out ones" in said
    chosen = metrics["foreign"][metrics["foreign_score"]]
    assert metrics["foreign_auroc"] == chosen["auroc"]
    for row in metrics["foreign"].values():
        assert 0 <= row["auroc"] <= 1 and 0 <= row["false_positive_rate"] <= 1
    # with the fake logit fixed at 0 the discriminator's view is the energy, on another scale
    assert metrics["foreign"]["energy"]["auroc"] == pytest.approx(
        metrics["foreign"]["real score"]["auroc"], abs=0.01
    )
    # images like those tested on are told no better than by chance
    same = tmp_path / "same.npz"
    np.savez(same, x_train=familiar[:300], y_train=labels[:300])
    ganpipe("evaluate", "--workdir", workdir, "--foreign", f"npz:{same}")
    again = read_json(evaluated / "metrics.json")["foreign"]
    assert all(row["auroc"] == pytest.approx(0.5, abs=0.12) for row in again.values())


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("folder:nowhere", 3, "nowhere"),
        ("fodler:photos", 2, "Did you mean 'folder'"),
        ("npz:few", 3, "fewer than 30 images"),
    ],
)
def test_a_foreign_source_that_cannot_be_read_is_one_message(ganpipe, workdir, tmp_path, source, code, words):
    if source == "npz:few":
        file = tmp_path / "few.npz"
        np.savez(file, x_train=np.zeros((9, 8, 8), np.uint8), y_train=np.arange(9))
        source = f"npz:{file}"
    before = (workdir / "seed-0" / "ssgan" / "evaluate" / "metrics.json").read_bytes()
    said = ganpipe("evaluate", "--workdir", workdir, "--foreign", source, code=code).stderr
    assert words in said.splitlines()[-1]
    assert (workdir / "seed-0" / "ssgan" / "evaluate" / "metrics.json").read_bytes() == before
