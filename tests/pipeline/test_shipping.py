"""Which model may be shipped, and shipping it: whole or not at all, and back."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.chain.artifacts import read_manifest
from pipeline.chain.fingerprints import Fingerprint
from pipeline.chain.publishing import writing
from pipeline.chain.shipping import bless, push_blessed
from pipeline.errors import DataError, GateRefused, UsageError
from pipeline.exported.layout import find_versions, newest_version
from pipeline.exported.pushing import check_target, push, roll_back
from pipeline.exported.shipped import newest_answers, write_answers
from pipeline.exported.versions import write_made_from
from pipeline.options import settings_of
from pipeline.reporting.summary import _as_exported
from pipeline.stages.evaluate.gate import known_figures, parse_requirements
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.stages.export.model_card import _classes
from pipeline.stages.export.promises import confidence_of
from pipeline.stages.export.settings import ExportConfig
from pipeline.terminal import Terminal
from ssgan_tf.metrics.certificate import ESTIMATED, PROMISED, REFUSED
from ssgan_tf.savedmodel import ALWAYS_ABSTAINS

QUIET = Terminal(quiet=True)
FILES = {"saved_model.pb": 4_000, "variables/variables.index": 900, "assets/class_names.txt": 8}


def version(folder: Path, content: str = "a", classes: str = "ant\nbee\n") -> Path:
    """An exported version, as far as shipping looks at it."""
    for name, size in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text((content * size)[:size])
    (folder / "assets/class_names.txt").write_text(classes)
    (folder / "assets/confidence.json").write_text(json.dumps({"temperature": 1.0}))
    (folder / "assets.extra").mkdir(exist_ok=True)
    write_made_from(folder, content)
    return folder


def is_whole(folder: Path) -> bool:
    return all((folder / name).stat().st_size == size for name, size in FILES.items())


def evaluation(model: Path, wrong: int, *, count: int = 400, first: int = 0, **figures) -> Path:
    """The published evaluation of a model that answers its first `wrong` images wrongly."""
    labels = np.arange(count) % 2
    said = np.where(np.arange(count) < wrong, 1 - labels, labels)
    digests = np.array([f"{n:032x}" for n in range(first, first + count)])
    metrics = {"error": wrong / count, "temperature": 1.0, "per_class": {"ant": {}, "bee": {}}, **figures}
    with writing(model / "evaluate", Fingerprint("evaluate", {"wrong": wrong}, {}, {}, {})) as partial:
        (partial / "metrics.json").write_text(json.dumps(metrics))
        logits = np.eye(2, dtype=np.float32)[said]
        np.savez(partial / "predictions.npz", digests=digests, labels=labels, logits=logits)
    return model / "evaluate"


def export(model: Path, content: str = "a") -> Path:
    """The published export of a model that was evaluated."""
    read = {"metrics": read_manifest(model / "evaluate").contents}
    made = Fingerprint("export", {"content": content}, {}, {}, {})
    with writing(model / "export", made, summary={"version": 1}, read=read) as partial:
        version(partial / "classifier" / "1", content)
    return model / "export"


@pytest.fixture
def model(tmp_path) -> Path:
    evaluation(tmp_path / "model", 8)
    export(tmp_path / "model")
    return tmp_path / "model"


def test_requirements_are_figures_of_the_metrics():
    found = parse_requirements("error<=0.02, ece < 3e-2,certified_coverage>=.8,generation.anything>1")
    names = ["error", "expected_calibration_error", "certified_coverage", "generation.anything"]
    assert [item.name for item in found] == names and [item.bound for item in found] == [0.02, 0.03, 0.8, 1]
    assert {"error", "brier", "calibration_error", "calibration_error_before", "set_size"} <= {
        *known_figures()
    }
    assert parse_requirements(None) == ()


def test_an_option_that_is_repeated_is_one_setting():
    values = {"evaluate__require": ("error<=0.02", "ece<=0.03"), "export__push": None}
    assert settings_of(values) == {"evaluate.require": "error<=0.02,ece<=0.03"}
    assert settings_of({"evaluate__require": ()}) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("eror<=0.02", r"'eror' names no figure of metrics.json. Did you mean 'error'"),
        ("error=0.02", r"wants a figure, one of <=, >=, < and >, and a number.*got 'error=0.02'"),
        ("error<=2%", r"got 'error<=2%'"),
        ("confusion_matrix<=1", "names no figure"),
    ],
)
def test_a_wrong_requirement_is_told_before_the_work(text, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        parse_requirements(text)
    from pipeline.chain.stages import stage_named

    with pytest.raises(UsageError, match=said):
        stage_named("evaluate").check(EvaluateConfig(require=text))


def test_a_model_is_blessed_or_not_and_the_verdict_says_why(model):
    evaluated = model / "evaluate"
    bless(EvaluateConfig(require="error<=0.02"), evaluated, QUIET)
    verdict = json.loads((model / "blessing.json").read_text())
    assert verdict["blessed"] and verdict["made_from"] == read_manifest(evaluated).contents
    with pytest.raises(GateRefused, match=r"error<=0.019: it is 0.02, which does not meet it") as refused:
        bless(EvaluateConfig(require="error<=0.5,error<=0.019,ece<=1"), evaluated, QUIET)
    assert "0.5" not in str(refused.value) and "no such figure" in str(refused.value)
    assert json.loads((model / "blessing.json").read_text())["blessed"] is False
    # what is not asked about changes nothing
    bless(EvaluateConfig(), evaluated, QUIET)
    assert json.loads((model / "blessing.json").read_text())["blessed"] is False


def test_only_what_is_blessed_is_pushed(model, tmp_path):
    served = tmp_path / "served"
    config = ExportConfig(push=str(served), push_keep=2)
    with pytest.raises(GateRefused, match="not blessed.*ganpipe evaluate --require"):
        push_blessed(config, model / "export", QUIET)
    with pytest.raises(GateRefused):
        bless(EvaluateConfig(require="error<=0.01"), model / "evaluate", QUIET)
    with pytest.raises(GateRefused, match=r"not blessed.\n  error<=0.01: it is 0.02"):
        push_blessed(config, model / "export", QUIET)
    assert not served.exists()
    bless(EvaluateConfig(require="error<=0.02"), model / "evaluate", QUIET)
    push_blessed(config, model / "export", QUIET)
    assert [*find_versions(served)] == [1] and is_whole(served / "1")
    there = newest_answers(served)
    assert (there.version, there.class_names, (~there.right).sum()) == (1, ("ant", "bee"), 8)
    assert json.loads((served / "1/assets.extra/blessing.json").read_text())["blessed"]
    # the same model again is no version of its own
    push_blessed(config, model / "export", QUIET)
    assert [*find_versions(served)] == [1]
    # another evaluation, or an export of another one
    evaluation(model, 9)
    with pytest.raises(GateRefused, match="evaluated anew since it was blessed"):
        push_blessed(config, model / "export", QUIET)
    bless(EvaluateConfig(require="error<=0.5"), model / "evaluate", QUIET)
    with pytest.raises(GateRefused, match="not made from the evaluation that is there"):
        push_blessed(config, model / "export", QUIET)


def test_what_is_exported_at_another_temperature_is_not_pushed(model, tmp_path):
    bless(EvaluateConfig(require="error<=0.02"), model / "evaluate", QUIET)
    told = model / "export/classifier/1/assets/confidence.json"
    told.write_text(json.dumps({"temperature": 2.0}))
    with pytest.raises(GateRefused, match="temperature 2.0, and what is blessed at 1.0"):
        push_blessed(ExportConfig(push=str(tmp_path / "served")), model / "export", QUIET)


def test_a_model_must_be_shown_not_to_be_worse_on_the_images_of_both(model, tmp_path):
    served = tmp_path / "served"
    asked = EvaluateConfig(not_worse_than=str(served), margin=0.02)
    # the first one is worse than nothing
    bless(asked, model / "evaluate", QUIET)
    push_blessed(ExportConfig(push=str(served)), model / "export", QUIET)
    for wrong, first, blessed in (
        (8, 0, True),
        (9, 0, True),
        (16, 0, False),
        (0, 200, True),
        (40, 200, False),
    ):
        other = tmp_path / f"other-{wrong}-{first}"
        evaluation(other, wrong, first=first)
        if blessed:
            bless(asked, other / "evaluate", QUIET)
        else:
            with pytest.raises(GateRefused, match=r"images were put to both it and version 1"):
                bless(asked, other / "evaluate", QUIET)
        finding = json.loads((other / "blessing.json").read_text())["findings"][0]
        assert finding["text"].startswith(f"{400 - first} images")
    evaluation(tmp_path / "far", 8, first=360)
    with pytest.raises(DataError, match="both tested on 40 images.*at least 50"):
        bless(asked, tmp_path / "far" / "evaluate", QUIET)
    evaluation(tmp_path / "classes", 8, per_class={"ant": {}, "cat": {}})
    with pytest.raises(DataError, match="classes ant, bee; this model has ant, cat"):
        bless(asked, tmp_path / "classes" / "evaluate", QUIET)
    (served / "1/assets.extra/answers.npz").unlink()
    with pytest.raises(DataError, match="does not say how it answered its test images"):
        bless(asked, model / "evaluate", QUIET)


def test_a_question_without_an_answer_leaves_no_older_yes(model, tmp_path):
    figures = {"name": "words", "list": [1], "flag": True, "distance": 1.0}
    evaluated = evaluation(tmp_path / "other", 8, generation=figures)
    for name in ("name", "list", "flag", "absent"):
        bless(EvaluateConfig(require="error<=0.5"), evaluated, QUIET)
        with pytest.raises(UsageError, match=f"'generation.{name}' names no figure.*generation.distance"):
            bless(EvaluateConfig(require=f"generation.{name}<=1"), evaluated, QUIET)
        assert not (tmp_path / "other" / "blessing.json").exists()


def test_a_folder_without_versions_is_no_model_to_be_held_against(model, tmp_path):
    served = tmp_path / "served"
    push(version(tmp_path / "a"), served)
    (tmp_path / "empty" / "4").mkdir(parents=True)
    for place, error, said in (
        (served / "1", UsageError, "a version itself; --not-worse-than wants the folder above"),
        (served / "1/saved_model.pb", UsageError, "--not-worse-than wants a folder"),
        (model, UsageError, "holds 'evaluate', which is no version"),
        (tmp_path / "empty", DataError, "4' holds no SavedModel"),
    ):
        with pytest.raises(error, match=said):
            bless(EvaluateConfig(not_worse_than=str(place)), model / "evaluate", QUIET)
        assert not (model / "blessing.json").exists()


def test_damaged_answers_end_in_one_message(tmp_path):
    write_answers(version(tmp_path / "7"), np.array([f"{n:032x}" for n in range(90)]), np.arange(90) > 3)
    answers = tmp_path / "7/assets.extra/answers.npz"
    good = answers.read_bytes()
    for place in range(0, len(good), 5):
        answers.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        with contextlib.suppress(DataError):
            newest_answers(tmp_path)
    for right in (np.ones(89, bool), np.ones(90), np.ones((90, 1), bool)):
        write_answers(tmp_path / "7", np.arange(90).astype(str), right)
        with pytest.raises(DataError, match="do not belong together"):
            newest_answers(tmp_path)


def test_what_is_blessed_under_a_promise_is_shipped_with_it(model, tmp_path):
    evaluation(model, 8, certified_coverage=0.9)
    export(model)
    bless(EvaluateConfig(require="coverage>=0.8"), model / "evaluate", QUIET)
    config = ExportConfig(push=str(tmp_path / "served"))
    with pytest.raises(GateRefused, match="abstains at another threshold"):
        push_blessed(config, model / "export", QUIET)
    told = model / "export/classifier/1/assets/confidence.json"
    told.write_text(json.dumps({"temperature": 1.0, "promise": {"state": PROMISED}}))
    push_blessed(config, model / "export", QUIET)
    assert [*find_versions(tmp_path / "served")] == [1]


def test_numbers_that_servers_do_not_know_are_not_given(tmp_path):
    a, most = version(tmp_path / "a"), 2**63 - 1
    (tmp_path / "beyond" / str(most + 1)).mkdir(parents=True)
    assert push(a, tmp_path / "beyond") == (1, True)
    version(tmp_path / "last" / str(most), "b")
    with pytest.raises(UsageError, match=f"holds version {most}, after which servers know none"):
        push(a, tmp_path / "last")


def test_no_version_is_taken_back_for_one_that_is_none(tmp_path):
    served = tmp_path / "served"
    (served / "0").mkdir(parents=True)
    push(version(tmp_path / "a"), served)
    with pytest.raises(UsageError, match="0' holds no SavedModel"):
        roll_back(served)
    push(version(tmp_path / "b", "b"), served)
    roll_back(served)
    shutil.copytree(served / "2.rolled-back", served / "2")
    with pytest.raises(UsageError, match="a version 2 was taken back before"):
        roll_back(served)
    assert sorted(find_versions(served)) == [0, 1, 2]


def test_a_version_that_is_a_link_goes_without_what_it_leads_to(tmp_path):
    served, elsewhere = tmp_path / "served", version(tmp_path / "elsewhere", "b")
    push(version(tmp_path / "a"), served)
    (served / "2").symlink_to(elsewhere)
    assert push(version(tmp_path / "c", "c"), served, keep=1) == (3, True)
    assert {path.name for path in served.iterdir()} == {".push.lock", "3"} and is_whole(elsewhere)


def test_versions_are_numbered_on_and_the_last_are_kept(tmp_path):
    served = tmp_path / "deep" / "served"
    for number, content in enumerate("abcd", 1):
        assert push(version(tmp_path / content, content), served, keep=3) == (number, True)
    assert sorted(find_versions(served)) == [2, 3, 4]
    assert roll_back(served) == (4, 3) and newest_version(served).name == "3"
    # a number that was taken back is not given to another content
    assert push(version(tmp_path / "e", "e"), served) == (5, True)
    assert push(version(tmp_path / "d2", "d"), served) == (6, True)
    assert roll_back(served) == (6, 5) and roll_back(served) == (5, 3) and roll_back(served) == (3, 2)
    with pytest.raises(UsageError, match="version 2 alone: there is none to go back to"):
        roll_back(served)
    with pytest.raises(UsageError, match="no such model folder"):
        roll_back(tmp_path / "nowhere")


def test_a_folder_of_something_else_is_not_pushed_to(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(UsageError, match=r"holds 'cat.png', which is no version of a model"):
        check_target(tmp_path / "photos")
    with pytest.raises(UsageError, match="is a file"):
        check_target(tmp_path / "photos" / "cat.png")
    with pytest.raises(UsageError, match="a version itself; --push wants the folder above it"):
        check_target(version(tmp_path / "served" / "1"))
    # a push that fails leaves no copy
    with pytest.raises(ZeroDivisionError):
        push(version(tmp_path / "a"), tmp_path / "new", add=lambda copy: 1 / 0)
    assert not [path for path in (tmp_path / "new").iterdir() if path.is_dir()]


PUSHER = """
import sys, pathlib
from pipeline.exported.pushing import push
from pipeline.exported.versions import write_made_from
source, served = map(pathlib.Path, sys.argv[1:])
print("ready", flush=True)
for number in range(10_000):
    write_made_from(source, f"{sys.argv[0]}-{number}")
    push(source, served, keep=3)
"""


def killed_pushes(folder: Path, kills: int, seed: int) -> int:
    """Kills pushes at random moments; after each all numbers must be whole. Returns the newest of them."""
    source, served, chance = version(folder / "source"), folder / "served", random.Random(seed)
    script = folder / "push.py"
    for kill in range(kills):
        script.write_text(PUSHER.replace("sys.argv[0]", f"'{kill}'"))
        command = [sys.executable, str(script), str(source), str(served)]
        cwd = Path(__file__).parents[2]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=cwd, env=_environment(cwd)) as process:
            process.stdout.readline()
            time.sleep(chance.uniform(0.002, 0.25))
            process.send_signal(signal.SIGKILL)
        versions = find_versions(served) if served.is_dir() else {}
        assert all(is_whole(path) for path in versions.values()), kill
        assert len(versions) <= 4
    newest = max(find_versions(served), default=0)
    number, new = push(version(folder / "last", "last"), served, keep=3)
    assert new and number > newest and is_whole(served / str(number))
    # what the killed ones left is gone
    assert {p.name for p in served.iterdir()} == {".push.lock", *map(str, find_versions(served))}
    return newest


def _environment(cwd: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(cwd)}


def test_a_killed_push_leaves_no_half_version(tmp_path):
    assert killed_pushes(tmp_path, kills=4, seed=1) > 0


@pytest.mark.parametrize(
    ("state", "given", "below", "promised"),
    [
        (PROMISED, None, 0.7, True),
        (PROMISED, 0.7, 0.7, True),
        (PROMISED, 0.9, 0.9, False),
        (REFUSED, None, ALWAYS_ABSTAINS, True),
        (REFUSED, 0.0, 0.0, False),
        (ESTIMATED, None, 0.7, True),
        (ESTIMATED, 0.6, 0.6, False),
    ],
)
def test_an_export_carries_the_promise_of_its_threshold_only(state, given, below, promised):
    threshold = None if state == REFUSED else 0.7
    promise = {"state": state, "threshold": threshold, "sentence": "It answers."}
    rows = [{"name": name} for name in ("error", "certificate", "promise")]
    metrics = {"temperature": 1.7, "certificate": promise, "promise": "It answers.", "figures": rows}
    confidence, kept = confidence_of(ExportConfig(abstain_below=given), metrics)
    assert confidence.temperature == 1.7 and confidence.abstain_below == below
    assert (confidence.promise == promise) is promised
    assert ("promise" in kept) is promised
    assert metrics["figures"] == rows


def test_a_temperature_that_is_given_is_exported():
    confidence, _ = confidence_of(ExportConfig(temperature=2.5), {"temperature": 2.5})
    assert confidence.temperature == 2.5
    assert confidence_of(ExportConfig(), None)[0].document()["temperature"] == 1


def test_answers_survive_the_file(tmp_path):
    folder = version(tmp_path / "7")
    write_answers(folder, np.array(["aa", "bb"]), np.array([True, False]))
    found = newest_answers(tmp_path)
    assert (
        found.version == 7
        and found.digests.tolist() == ["aa", "bb"]
        and found.right.tolist() == [True, False]
    )
    assert newest_answers(tmp_path / "7") is None


def test_the_end_of_a_run_tells_that_the_promise_is_not_of_the_export():
    metrics = {"promise": "It answers.", "certificate": {"threshold": 0.7}}
    assert _as_exported(metrics, None) == _as_exported(metrics, 0.7) == "It answers."
    assert _as_exported(metrics, 0.0) == "It answers. It is not of what is exported, which abstains below 0."
    assert _as_exported({}, 0.5) is None


def test_the_model_card_shows_a_class_name_as_it_is():
    row = {"count": 3, "recall": 1.0, "recall_interval": [0.4, 1.0]}
    text = _classes({"per_class": {"a|b\nc": row, "<script>": row}, "abstention": []})
    assert text[2].startswith(r"| a\|b c | 3 |") and text[3].startswith(r"| \<script> | 3 |")
