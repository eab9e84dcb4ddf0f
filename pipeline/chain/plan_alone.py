"""The plan of one stage's command: the stage alone, on the results that are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.chain.artifacts import check_lineage, open_artifact, read_manifest
from pipeline.chain.config import RunConfig
from pipeline.chain.fingerprints import Fingerprint
from pipeline.chain.folds import check_alike, places
from pipeline.chain.plan import Input, Node, chosen_model, open_source_of, plan_stage
from pipeline.chain.stages import SOURCE, Stage, stage_named
from pipeline.interrupts import StopEvent
from pipeline.workspace import Model, Workspace


def plan_alone(
    stage: Stage, config: RunConfig, workspace: Workspace, stop: StopEvent | None = None
) -> list[Node]:
    """Plans one stage on the results that are there: in the folds of the draw, then in the whole.

    Raises:
        UsageError: a setting or recipe is wrong.
        DataError: the source, or a result that it reads, is absent or damaged, or they do not belong
            together.
    """
    model, source = None, None
    if stage.once_a_draw:
        config, source = open_source_of(config)
        folds = config.data.fold_count
    else:
        model = chosen_model(config)
        folds = _folds_there(config, workspace) if stage.in_folds else 0
    nodes: list[Node] = []
    read = {fold: _open_inputs(stage, config, workspace, model, fold, source) for fold in places(folds)}
    for fold, made in read.items():
        if fold is not None and not stage.once_a_draw:
            check_alike(_artifacts(made), _artifacts(read[None]))
        node = plan_stage(
            stage,
            config,
            workspace,
            seed=config.seed,
            fold=fold,
            model=model,
            made=made,
            folds=[] if fold is not None else [node.result for node in nodes],
            stop=stop,
        )
        nodes.append(node)
    return nodes


def _folds_there(config: RunConfig, workspace: Workspace) -> int:
    """How many folds the prepared data of a draw has."""
    from ssgan_tf.recipes import load_recipe

    if not load_recipe(config.train.recipe).needs_labels:
        return 0
    manifest = read_manifest(workspace.data(config.seed))
    folds = manifest.fingerprint.parameters.get("folds", 0) if manifest else 0
    return folds if isinstance(folds, int) else 0


def _open_inputs(
    stage: Stage,
    config: RunConfig,
    workspace: Workspace,
    model: Model | None,
    fold: int | None,
    source: Input | None,
) -> dict[str, Input]:
    """Opens what a stage reads, by SOURCE or the stage's name, and checks that it belongs together."""
    made = {SOURCE: source} if source else {}
    for key, name in stage.inputs.items():
        if name == SOURCE:
            continue
        needed = stage_named(name)
        owner = None if needed.once_a_draw else model
        folder = workspace.result(config.seed, owner, needed.place, fold)
        if key not in stage.optional or read_manifest(folder) or folder.exists():
            manifest = open_artifact(folder, name)
            made[name] = Input(manifest.digest, folder, manifest.fingerprint)
    artifacts = _artifacts(made)
    check_lineage({key: artifacts[name] for key, name in stage.inputs.items() if name in artifacts})
    return made


def _artifacts(made: Mapping[str, Input]) -> dict[str, tuple[Path, Fingerprint]]:
    return {
        name: (item.folder, item.fingerprint)
        for name, item in made.items()
        if item.folder and item.fingerprint
    }
