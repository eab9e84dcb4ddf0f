"""The plan of a run: which stages, on which inputs, into which folders, with which fingerprints.

    WORKDIR/seed-0/data                     prepared data of the label draw with seed 0
    WORKDIR/seed-0/ssgan/train              checkpoints, event files, samples
    WORKDIR/seed-0/ssgan/evaluate           metrics.json, predictions.npz
    WORKDIR/seed-0/ssgan/export             classifier/1, generator/1
    WORKDIR/seed-0/supervised/...           the paired baseline

Planning runs nothing: a fingerprint follows from settings, code, libraries and the digests of inputs.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import Fingerprint, make_fingerprint, open_artifact, read_manifest
from pipeline.config import (
    DataConfig,
    EvaluateConfig,
    ExportConfig,
    RunConfig,
    TrainConfig,
    evaluation_of,
)
from pipeline.errors import UsageError
from pipeline.interrupts import StopEvent
from pipeline.terminal import Terminal

Action = Callable[[Path, Terminal], dict[str, Any]]

# settings that decide where or how fast a stage runs, but no byte of its result
_WITHOUT_EFFECT = {
    "runner",
    "workers",
    "data_dir",
    "labels",
    "dataset",
    "steps_per_call",
    "memory_limit_mb",
} | {"worker_index"}


@dataclass(frozen=True)
class Node:
    """One stage of a plan.

    Attributes:
        name: folder below the working folder, which also names it to the user.
        folder: where its artifact is published.
        fingerprint: what would be made.
        action: makes it, in a partial folder.
        resumable: whether a killed run is continued.
        publishes: False in a process that only helps another one, which publishes.
        dataset: what it prepares, where it prepares data.
    """

    name: str
    folder: Path
    fingerprint: Fingerprint
    action: Action = field(repr=False)
    resumable: bool = False
    publishes: bool = True
    dataset: str | None = None


@dataclass(frozen=True)
class Input:
    """An artifact that a node reads: its folder and its fingerprint's digest."""

    folder: Path
    digest: str

    @classmethod
    def of(cls, node: Node) -> Input:
        """The artifact that a planned node makes."""
        return cls(node.folder, node.fingerprint.digest)

    @classmethod
    def published(cls, folder: Path, stage: str) -> Input:
        """An artifact that is there.

        Raises:
            DataError: it is absent, damaged or of another stage.
        """
        return cls(folder, open_artifact(folder, stage).digest)


def _parameters(config: Any, **more: Any) -> dict[str, Any]:
    values = {k: v for k, v in dataclasses.asdict(config).items() if k not in _WITHOUT_EFFECT}
    return values | more


def draw_folder(workdir: Path, seed: int) -> Path:
    """The folder of the label draw with a seed."""
    return workdir / f"seed-{seed}"


def preprocess_node(config: DataConfig, *, seed: int, workdir: Path) -> Node:
    """Plans preprocessing; reads the source far enough to know its digest.

    Raises:
        UsageError: unknown data set.
        DataError: the source cannot be read.
    """
    from pipeline.sources.catalog import open_source

    source = open_source(config.dataset, data_dir=config.data_dir, labels=config.labels)
    kind, dataset = config.dataset.partition(":")[0], _full(config.dataset)
    parameters = _parameters(config, source=kind, seed=seed)
    inputs = {"source": source.digest()}
    if config.labelled_keys:
        from pipeline.chain.artifacts import sha256_of

        keys = Path(config.labelled_keys)
        if not keys.is_file():
            raise UsageError(f"data.labelled_keys must name a file; {config.labelled_keys!r} is none.")
        parameters["labelled_keys"] = sha256_of(keys)

    def action(output: Path, terminal: Terminal) -> dict[str, Any]:
        from pipeline.stages.preprocess import stage as preprocess

        document = preprocess.run(config, seed=seed, output=output, terminal=terminal)
        return {
            "dataset": dataset,
            "splits": {
                name: {"count": split["count"], "labelled": split["labelled"]}
                for name, split in document["splits"].items()
            },
        }

    folder = draw_folder(workdir, seed) / "data"
    fingerprint = make_fingerprint("preprocess", parameters, inputs)
    return Node(f"seed-{seed}/data", folder, fingerprint, action, dataset=dataset)


def _full(dataset: str) -> str:
    """The data set with its whole path, where it names one: the same from any folder."""
    kind, _, place = dataset.partition(":")
    return f"{kind}:{Path(place).resolve()}" if place and Path(place).exists() else dataset


def train_node(
    config: TrainConfig,
    recipe: Mapping[str, Any],
    *,
    seed: int,
    workdir: Path,
    data: Input,
    stop: StopEvent | None = None,
) -> Node:
    """Plans the training of `config.recipe` on prepared data."""

    def action(output: Path, terminal: Terminal) -> dict[str, Any]:
        from pipeline.stages import train

        return train.run(
            config, recipe, seed=seed, data=data.folder, output=output, terminal=terminal, stop=stop
        )

    name = f"seed-{seed}/{config.recipe}/train"
    parameters = _parameters(config, settings=dict(recipe), seed=seed)
    fingerprint = make_fingerprint("train", parameters, {"data": data.digest})
    return Node(name, workdir / name, fingerprint, action, resumable=True, publishes=_is_chief(config))


def _is_chief(config: TrainConfig) -> bool:
    if config.strategy != "multiworker":
        return True
    if config.worker_index is not None:
        return config.worker_index == 0
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    return task.get("type") != "worker" or int(task.get("index", 0)) == 0


def evaluate_node(
    config: EvaluateConfig, *, seed: int, workdir: Path, recipe: str, model: Input, data: Input
) -> Node:
    """Plans the evaluation of a trained model."""

    def action(output: Path, terminal: Terminal) -> dict[str, Any]:
        from pipeline.stages.evaluate import stage as evaluate

        return evaluate.run(config, model=model.folder, data=data.folder, output=output, terminal=terminal)

    name = f"seed-{seed}/{recipe}/evaluate"
    inputs = {"model": model.digest, "data": data.digest}
    return Node(name, workdir / name, make_fingerprint("evaluate", _parameters(config), inputs), action)


def export_node(
    config: ExportConfig,
    *,
    seed: int,
    workdir: Path,
    recipe: str,
    model: Input,
    data: Input,
    metrics: Input | None,
) -> Node:
    """Plans the export of a trained model; `metrics`, where given, go into the model card."""

    def action(output: Path, terminal: Terminal) -> dict[str, Any]:
        from pipeline.stages.export import stage as export

        manifest = read_manifest(metrics.folder) if metrics else None
        return export.run(
            config,
            model=model.folder,
            data=data.folder,
            metrics=dict(manifest.summary) if manifest else None,
            output=output,
            terminal=terminal,
        )

    name = f"seed-{seed}/{recipe}/export"
    inputs = {"model": model.digest, "data": data.digest}
    if metrics:
        inputs["metrics"] = metrics.digest
    return Node(name, workdir / name, make_fingerprint("export", _parameters(config), inputs), action)


def plan_run(config: RunConfig, workdir: Path, stop: StopEvent | None = None) -> list[Node]:
    """Plans `ganpipe run`: for every draw the semi-supervised model and its paired baseline.

    Raises:
        UsageError, DataError: a setting, recipe or source is wrong; nothing has run.
    """
    from ssgan_tf.recipes import load_recipe

    recipe = load_recipe(config.train.recipe)
    recipe.configure(config.train.preset, config.recipe)
    nodes: list[Node] = []
    for seed in range(config.seed, config.seed + config.draws):
        data = preprocess_node(config.data, seed=seed, workdir=workdir)
        nodes.append(data)
        nodes += _model_nodes(config, config.train, config.recipe, seed, workdir, data, stop, export=True)
        if recipe.baseline and config.baseline:
            train = dataclasses.replace(config.train, recipe=recipe.baseline)
            settings = {**config.recipe, "of": config.train.recipe}
            nodes += _model_nodes(config, train, settings, seed, workdir, data, stop, export=False)
    return nodes


def _model_nodes(
    config: RunConfig,
    train: TrainConfig,
    settings: Mapping[str, Any],
    seed: int,
    workdir: Path,
    data: Node,
    stop: StopEvent | None,
    *,
    export: bool,
) -> list[Node]:
    place: dict[str, Any] = {"seed": seed, "workdir": workdir}
    model = train_node(train, settings, data=Input.of(data), stop=stop, **place)
    made: dict[str, Any] = {"recipe": train.recipe, "model": Input.of(model), "data": Input.of(data)}
    metrics = evaluate_node(evaluation_of(config), **place, **made)
    nodes = [model, metrics]
    if export:
        nodes.append(export_node(config.export, **place, **made, metrics=Input.of(metrics)))
    return nodes
