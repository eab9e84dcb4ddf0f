"""The plan of a run: which stages, on which inputs, into which folders, with which fingerprints.

Planning runs nothing: a fingerprint follows from settings, code, libraries and the digests of inputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import check_lineage, open_artifact, read_manifest, sha256_of
from pipeline.chain.code import code_digests
from pipeline.chain.config import RunConfig
from pipeline.chain.fingerprints import Fingerprint, make_fingerprint
from pipeline.chain.stages import SOURCE, STAGES, Stage, stage_named
from pipeline.errors import UsageError
from pipeline.interrupts import StopEvent
from pipeline.terminal import Terminal
from pipeline.workspace import Model, Workspace
from ssgan_tf.declare import CONTENT

Action = Callable[[Path, Terminal], dict[str, Any]]


@dataclass(frozen=True)
class Input:
    """What a node reads: an artifact's folder, or the source (without one).

    Attributes:
        digest: of the artifact's fingerprint, or of what the source holds.
        folder: where the artifact lies, or will.
        fingerprint: the artifact's.
        origin: of the source: what names it, the same from any folder.
        modules: of the source: the code that reads it.
    """

    digest: str
    folder: Path | None = None
    fingerprint: Fingerprint | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """One stage of a plan.

    Attributes:
        stage: its row.
        name: folder below the working folder, which also names it to the user.
        folder: where its artifact is published.
        fingerprint: what would be made.
        action: makes it, in a partial folder.
        seed: of its label draw.
        model: the model that it belongs to; None: the draw itself.
        publishes: False in a process that only helps another one, which publishes.
        origin: what names the source, where it reads one.
        prepare: does what must be done before any node runs.
    """

    stage: Stage
    name: str
    folder: Path
    fingerprint: Fingerprint
    action: Action = field(repr=False)
    seed: int
    model: Model | None
    publishes: bool = True
    origin: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = field(default=lambda: None, repr=False)

    @property
    def result(self) -> Input:
        """The artifact that it makes, as an input."""
        return Input(self.fingerprint.digest, self.folder, self.fingerprint)


def plan_run(config: RunConfig, workspace: Workspace, stop: StopEvent | None = None) -> list[Node]:
    """Plans `ganpipe run`: for every draw the semi-supervised model and its paired baseline.

    Raises:
        UsageError, DataError: a setting, recipe or source is wrong; nothing has run.
    """
    from ssgan_tf.recipes import load_recipe

    recipe = load_recipe(config.train.recipe)
    models = [(config, chosen_model(config), True)]
    if recipe.baseline and config.baseline:
        train = dataclasses.replace(config.train, recipe=recipe.baseline)
        settings = {**config.recipe, "of": config.train.recipe}
        baseline: RunConfig = dataclasses.replace(config, **{"train": train, "recipe": settings})
        models.append((baseline, chosen_model(baseline), False))
    source = open_input(config)
    nodes: list[Node] = []
    for seed in range(config.seed, config.seed + config.draws):
        of_draw = {SOURCE: source}
        for stage in (stage for stage in STAGES if stage.once_a_draw):
            node = plan_stage(stage, config, workspace, seed=seed, made=of_draw, stop=stop)
            of_draw[stage.name] = node.result
            nodes.append(node)
        for own, model, chosen in models:
            made = dict(of_draw)
            for stage in (stage for stage in STAGES if not stage.once_a_draw):
                if chosen or stage.for_baseline:
                    node = plan_stage(stage, own, workspace, seed=seed, model=model, made=made, stop=stop)
                    made[stage.name] = node.result
                    nodes.append(node)
    return nodes


def plan_alone(stage: Stage, config: RunConfig, workspace: Workspace, stop: StopEvent | None = None) -> Node:
    """Plans one stage on the results that are there.

    Raises:
        UsageError: a setting or recipe is wrong.
        DataError: the source, or a result that it reads, is absent or damaged, or they do not belong
            together.
    """
    model = None if stage.once_a_draw else chosen_model(config)
    made = {}
    for key, name in stage.inputs.items():
        if name == SOURCE:
            made[name] = open_input(config)
            continue
        needed = stage_named(name)
        folder = workspace.result(config.seed, None if needed.once_a_draw else model, needed.place)
        if key not in stage.optional or read_manifest(folder) or folder.exists():
            manifest = open_artifact(folder, name)
            made[name] = Input(manifest.digest, folder, manifest.fingerprint)
    read = {key: made[name] for key, name in stage.inputs.items() if name in made}
    check_lineage(
        {
            key: (item.folder, item.fingerprint)
            for key, item in read.items()
            if item.folder and item.fingerprint
        }
    )
    return plan_stage(stage, config, workspace, seed=config.seed, model=model, made=made, stop=stop)


def chosen_model(config: RunConfig) -> Model:
    """The model that the configuration names; checks the recipe's settings.

    Raises:
        UsageError: unknown recipe, preset or setting, or a value out of range.
    """
    from ssgan_tf.recipes import load_recipe

    recipe = load_recipe(config.train.recipe)
    recipe.configure(config.train.preset, config.recipe)
    return Model(recipe.name, recipe.pair(config.recipe))


def open_input(config: RunConfig) -> Input:
    """Opens the source far enough to know its digest.

    Raises:
        UsageError: unknown data set.
        DataError: the source cannot be read.
    """
    from pipeline.sources.catalog import full_name, open_source, source_module

    data = config.data
    source = open_source(data.dataset, data_dir=data.data_dir, labels=data.labels)
    origin = {"dataset": full_name(data.dataset)}
    if data.labels:
        origin["labels"] = str(Path(data.labels).expanduser().resolve())
    return Input(source.digest(), origin=origin, modules=(source_module(data.dataset),))


def plan_stage(
    stage: Stage,
    config: RunConfig,
    workspace: Workspace,
    *,
    seed: int,
    made: Mapping[str, Input],
    model: Model | None = None,
    stop: StopEvent | None = None,
) -> Node:
    """Plans one stage of a draw.

    Args:
        stage: its row.
        config: of the model.
        workspace: where its result goes.
        seed: of the draw.
        made: SOURCE or a stage's name to what may be read; what is absent counts as not there.
        model: which model it is for; None where it belongs to the draw.
        stop: ends training early.
    """
    settings = settings_of(stage, config)
    inputs = {key: made[name] for key, name in stage.inputs.items() if name in made}
    parameters = _parameters(settings)
    if stage.seeded:
        parameters["seed"] = seed
    if stage.reads_recipe:
        parameters["settings"] = dict(config.recipe)
    modules = [stage.module, *stage.code, *(name for item in inputs.values() for name in item.modules)]
    if model:
        modules += [_recipe_module(name) for name in (model.recipe, model.pair) if name]
    fingerprint = make_fingerprint(
        stage.name, parameters, {key: item.digest for key, item in inputs.items()}, code_digests(modules)
    )
    offered: dict[str, Any] = {key: inputs[key].folder if key in inputs else None for key in stage.inputs}
    offered |= {f"{key}_digest": item.digest for key, item in inputs.items()}
    offered |= {"seed": seed, "recipe_settings": config.recipe, "stop": stop}

    def action(output: Path, terminal: Terminal) -> dict[str, Any]:
        return stage.run(settings, {**offered, "output": output, "terminal": terminal})

    folder = workspace.result(seed, model, stage.place)
    origin = next((item.origin for item in inputs.values() if item.origin), {})
    return Node(
        stage=stage,
        name=workspace.name_of(folder),
        folder=folder,
        fingerprint=fingerprint,
        action=action,
        seed=seed,
        model=model,
        publishes=stage.publishes(settings),
        origin=origin,
        prepare=lambda: stage.prepare(settings),
    )


def settings_of(stage: Stage, config: RunConfig) -> Any:
    """A stage's settings, those that it borrows filled in."""
    settings = getattr(config, stage.section)
    borrowed = {}
    for name, dotted in stage.borrows.items():
        section, _, theirs = dotted.partition(".")
        if getattr(settings, name) is None:
            borrowed[name] = getattr(getattr(config, section), theirs)
    return dataclasses.replace(settings, **borrowed)


def _recipe_module(name: str) -> str:
    return f"ssgan_tf.recipes.{name.replace('-', '_')}"


def _parameters(settings: Any) -> dict[str, Any]:
    """The settings that affect a result; of those that name a file, its digest."""
    values = {}
    for item in dataclasses.fields(settings):
        affects, value = item.metadata.get("affects_result", True), getattr(settings, item.name)
        if affects == CONTENT and value is not None:
            path = Path(value).expanduser()
            if not path.is_file():
                raise UsageError(f"{item.name} must name a file; {value!r} is none.")
            value = sha256_of(path)
        if affects:
            values[item.name] = value
    return values
