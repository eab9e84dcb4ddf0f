"""Results that are used together come from each other: in a report, and while a stage reads them."""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import pytest

from pipeline.chain.artifacts import check_lineage
from pipeline.chain.fingerprints import make_fingerprint
from pipeline.chain.orchestrator import check_free, decide, execute
from pipeline.chain.places import locked
from pipeline.chain.plan import Input, Node
from pipeline.chain.publishing import writing
from pipeline.chain.stages import STAGES, stage_named
from pipeline.errors import DataError
from pipeline.reporting.lineage import check_results
from pipeline.terminal import Terminal
from pipeline.workspace import Model, Workspace

CHOSEN, BASELINE = Model("ssgan"), Model("supervised", "ssgan")
QUIET = Terminal(io.StringIO())


@pytest.fixture
def two_draws(tmp_path) -> Workspace:
    """A file for each result of two draws of a model and its baseline, made from each other."""
    workspace = Workspace(tmp_path)
    for seed in (0, 1):
        for model in (CHOSEN, BASELINE):
            made: dict[str, str] = {"source": "photos"}
            for stage in STAGES:
                inputs = {key: made[name] for key, name in stage.inputs.items()}
                print_of = make_fingerprint(stage.name, {"seed": seed, "model": model.path}, inputs, {})
                if stage.once_a_draw:
                    print_of = make_fingerprint(stage.name, {"seed": seed}, inputs, {})
                made[stage.name] = print_of.digest
                if model == CHOSEN or stage.for_baseline:
                    place = workspace.result(seed, None if stage.once_a_draw else model, stage.place)
                    with writing(place, print_of) as partial:
                        (partial / "file").write_text(print_of.digest)
    return workspace


def test_results_that_come_from_each_other_may_be_reported(two_draws):
    check_results(two_draws, [CHOSEN, BASELINE], [0, 1])


@pytest.mark.parametrize(
    ("place", "other", "words"),
    [
        ("seed-1/data", "seed-0/data", "the model in .*seed-1/ssgan/train.* was not made from the data"),
        ("seed-1/ssgan/train", "seed-0/ssgan/train", "seed-1/ssgan/train.* was not made from the data"),
        ("seed-1/ssgan/evaluate", "seed-0/ssgan/evaluate", "the metrics .* was not made from the model"),
        ("seed-0/ssgan/export", "seed-1/ssgan/export", "the export .* was not made from the model"),
        ("seed-1/ssgan/supervised/train", "seed-0/ssgan/supervised/train", "not made from the data"),
        ("seed-1/ssgan/supervised/evaluate", "seed-1/ssgan/evaluate", "not made from the model"),
        ("seed-1/ssgan/supervised/evaluate", None, "no result of evaluate"),
    ],
)
def test_a_report_takes_no_result_of_another_draw_or_model(two_draws, place, other, words):
    shutil.rmtree(two_draws.root / place)
    if other:
        shutil.copytree(two_draws.root / other, two_draws.root / place)
    with pytest.raises(DataError, match=words):
        check_results(two_draws, [CHOSEN, BASELINE], [0, 1])


def test_a_report_takes_no_figures_that_were_changed_by_hand(two_draws):
    (two_draws.root / "seed-1/ssgan/supervised/evaluate/file").write_text("0" * 32)
    with pytest.raises(DataError, match="seed-1/ssgan/supervised/evaluate/file.* is damaged"):
        check_results(two_draws, [CHOSEN, BASELINE], [0, 1])


def publish(folder: Path, content: str = "", **parameters: int) -> Input:
    made = make_fingerprint("preprocess", parameters, {}, {})
    with writing(folder, made) as partial:
        (partial / "file").write_text(content or json.dumps(parameters))
    return Input(made.digest, folder, made)


def evaluation(folder: Path, data: Input, action=lambda *_: {}) -> Node:
    made = make_fingerprint("evaluate", {}, {"data": data.digest}, {})
    row = stage_named("evaluate")
    return Node(row, "evaluate", folder, made, action, seed=0, model=CHOSEN, inputs={"data": data})


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("other", [{"labels": 4}, {"labels": 3, "content": "of another machine"}])
def test_what_a_stage_reads_is_not_replaced_unseen(tmp_path, when, other):
    data = publish(tmp_path / "data", labels=3)
    node = evaluation(
        tmp_path / "evaluate",
        data,
        lambda *_: {"replaced": publish(tmp_path / "data", **other).digest} if when == "meanwhile" else {},
    )
    if when == "before":
        publish(tmp_path / "data", **other)
    if when == "before" and "content" in other:
        # made anew from the same before the stage began: that is what it reads
        execute(node, QUIET)
        return
    with pytest.raises(DataError, match="was replaced while evaluate was made from it"):
        execute(node, QUIET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_figures_of_weights_that_were_trained_again_are_not_kept(tmp_path):
    """Another machine's rounding gives other weights for the same settings, code and libraries."""
    data = publish(tmp_path / "data", labels=3)
    node = evaluation(tmp_path / "evaluate", data)
    execute(node, QUIET)
    lineage = {"data": (data.folder, data.fingerprint), "metrics": (node.folder, node.fingerprint)}
    publish(tmp_path / "data", labels=3)
    assert decide(node).reused
    check_lineage(lineage)
    publish(tmp_path / "data", "of another machine", labels=3)
    assert decide(node).reasons == ["input data was made anew"]
    with pytest.raises(DataError, match="the metrics in .* was not made from the data"):
        check_lineage(lineage)
    execute(node, QUIET)
    assert decide(node).reused
    check_lineage(lineage)


def test_a_run_beside_another_one_is_refused_before_it_writes(tmp_path):
    made = make_fingerprint("train", {}, {}, {})
    node = Node(stage_named("train"), "train", tmp_path / "train", made, lambda *_: {}, seed=0, model=CHOSEN)
    check_free([node])
    with locked(node.folder):
        with pytest.raises(DataError, match="another ganpipe is writing"):
            check_free([node])
        check_free([dataclasses.replace(node, publishes=False)])
    # a killed run leaves its lock, unlocked
    (tmp_path / ".train.lock").touch()
    check_free([node])
