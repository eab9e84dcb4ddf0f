"""The plan of a run: which stages, on which inputs, into which folders, with which fingerprints.

Planning runs nothing: a fingerprint follows from settings, code, libraries and the digests of inputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.chain.artifacts import find_damage, read_manifest, sha256_of
from pipeline.chain.code import code_digests
from pipeline.chain.config import RunConfig
from pipeline.chain.fingerprints import Fingerprint, make_fingerprint
from pipeline.chain.folds import FOLD, places, with_folds
from pipeline.chain.labels_needed import check_labels
from pipeline.chain.stages import SOURCE, STAGES, Stage
from pipeline.errors import UsageError
from pipeline.interrupts import StopEvent
from pipeline.terminal import Terminal
from pipeline.workspace import Model, Workspace
from ssgan_tf.declare import CONTENT

if TYPE_CHECKING:
    from ssgan_tf.systems.recipe import Recipe

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
        fold: of the draw; None: the whole.
        publishes: False in a process that only helps another one, which publishes.
        origin: what names the source, where it reads one.
        prepare: does what must be done before any node runs.
        afterwards: does what is to be done with the result, if this is the model that was asked for.
        also: why it would run although its result is there.
        inputs: what it reads, by the keyword of the stage's `run`.
    """

    stage: Stage
    name: str
    folder: Path
    fingerprint: Fingerprint
    action: Action = field(repr=False)
    seed: int
    model: Model | None
    fold: int | None = None
    publishes: bool = True
    origin: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = field(default=lambda: None, repr=False)
    afterwards: Callable[[Terminal], None] = field(default=lambda terminal: None, repr=False)
    also: tuple[str, ...] = ()
    inputs: Mapping[str, Input] = field(default_factory=dict)

    @property
    def result(self) -> Input:
        """The artifact that it makes, as an input."""
        return Input(self.fingerprint.digest, self.folder, self.fingerprint)


def plan_run(config: RunConfig, workspace: Workspace, stop: StopEvent | None = None) -> list[Node]:
    """Plans `ganpipe run`: for every draw the semi-supervised model and its paired baseline.

    A draw that is cross-fitted has both in each of its folds first, then in the whole.

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
    config, source = open_source_of(config, recipe)
    nodes: list[Node] = []
    for seed in range(config.seed, config.seed + config.draws):
        in_folds: list[Node] = []
        for fold in places(config.data.fold_count if recipe.needs_labels else 0):
            of_draw = {SOURCE: source}
            here: list[Node] = []
            for stage in (stage for stage in STAGES if stage.once_a_draw):
                node = plan_stage(stage, config, workspace, seed=seed, fold=fold, made=of_draw, stop=stop)
                of_draw[stage.name] = node.result
                here.append(node)
            for own, model, chosen in models:
                made = dict(of_draw)
                for stage in _of_model(chosen, fold):
                    node = plan_stage(
                        stage,
                        own,
                        workspace,
                        seed=seed,
                        fold=fold,
                        model=model,
                        made=made,
                        folds=[n.result for n in in_folds if (n.stage, n.model) == (stage, model)],
                        stop=stop,
                    )
                    made[stage.name] = node.result
                    here.append(node)
            nodes += here
            in_folds += here if fold is not None else []
    return nodes


def _of_model(chosen: bool, fold: int | None) -> list[Stage]:
    """The stages of the chosen model or of its baseline, in a fold or in the whole."""
    return [
        stage
        for stage in STAGES
        if not stage.once_a_draw and (chosen or stage.for_baseline) and (fold is None or stage.in_folds)
    ]


def chosen_model(config: RunConfig) -> Model:
    """The model that the configuration names; checks the recipe's settings.

    Raises:
        UsageError: unknown recipe, preset or setting, or a value out of range.
    """
    from ssgan_tf.recipes import load_recipe

    recipe = load_recipe(config.train.recipe)
    recipe.configure(config.train.preset, config.recipe)
    return Model(recipe.name, recipe.pair(config.recipe))


def open_source_of(config: RunConfig, recipe: Recipe | None = None) -> tuple[RunConfig, Input]:
    """Opens the source far enough to know its digest and how many folds its draws have.

    Args:
        config: names the source.
        recipe: what will be trained on it, where that is known.

    Returns:
        The configuration with that number, and the source as an input.

    Raises:
        UsageError: unknown data set, or folds that the source does not allow.
        DataError: the source cannot be read, or has no label where the recipe learns from labels.
    """
    from pipeline.sources.catalog import full_name, open_source, source_module, whole_place

    data = config.data
    source = open_source(data.dataset, **data.source_options)
    if recipe is not None:
        check_labels(source, data.dataset, recipe)
    origin = {"dataset": full_name(data.dataset)}
    for name in ("labels", "test_labels"):
        if file := getattr(data, name):
            origin[name] = whole_place(file)
    opened = Input(source.digest(), origin=origin, modules=(source_module(data.dataset),))
    return with_folds(config, source), opened


def plan_stage(
    stage: Stage,
    config: RunConfig,
    workspace: Workspace,
    *,
    seed: int,
    made: Mapping[str, Input],
    model: Model | None = None,
    fold: int | None = None,
    folds: Sequence[Input] = (),
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
        fold: of the draw; None: the whole.
        folds: for the whole, the stage's results in the folds.
        stop: ends training early.
    """
    settings = settings_of(stage, config)
    stage.check(settings)
    inputs = {key: made[name] for key, name in stage.inputs.items() if name in made}
    parameters = _parameters(settings)
    if stage.seeded:
        parameters["seed"] = seed
    parameters |= stage.resolve(settings, config.recipe)
    if fold is not None:
        parameters[FOLD] = fold
    pooled = list(folds) if fold is None and stage.pools(settings) else []
    modules = [stage.module, *stage.code, *(name for item in inputs.values() for name in item.modules)]
    if model:
        modules += [_recipe_module(name) for name in (model.recipe, model.pair) if name]
    digests = {key: item.digest for key, item in inputs.items()}
    digests |= {f"{FOLD}-{number}": item.digest for number, item in enumerate(pooled)}
    fingerprint = make_fingerprint(stage.name, parameters, digests, code_digests(modules))
    offered: dict[str, Any] = {key: inputs[key].folder if key in inputs else None for key in stage.inputs}
    offered |= {f"{key}_digest": item.digest for key, item in inputs.items()}
    offered |= {"fold": fold, "folds": [item.folder for item in pooled]}
    folder = workspace.result(seed, model, stage.place, fold)
    fingerprint = _as_made(folder, fingerprint)
    offered |= {"seed": seed, "recipe_settings": config.recipe, "stop": stop, "content": fingerprint.digest}

    def action(output: Path, terminal: Terminal) -> dict[str, Any]:
        # what is there when it runs
        found = {"companions": workspace.of_pair(seed, model, stage.place) if model else []}
        call = {**offered, **found, **_previous(folder), "output": output, "terminal": terminal}
        return stage.run(settings, call)

    origin = next((item.origin for item in inputs.values() if item.origin), {})
    return Node(
        stage=stage,
        name=workspace.name_of(folder),
        folder=folder,
        fingerprint=fingerprint,
        action=action,
        seed=seed,
        model=model,
        fold=fold,
        publishes=stage.publishes(settings),
        origin=origin,
        prepare=lambda: stage.prepare(settings),
        afterwards=lambda terminal: stage.afterwards(settings, folder, terminal),
        also=tuple(stage.why_again(settings, folder, fingerprint.digest)),
        inputs=inputs | {f"{FOLD}-{number}": item for number, item in enumerate(pooled)},
    )


def _previous(folder: Path) -> dict[str, Any]:
    """What is there, for a stage that keeps some of it."""
    manifest = read_manifest(folder)

    def is_intact(below: str) -> bool:
        # nothing is known against what has no manifest
        return manifest is None or find_damage(folder, manifest, below) is None

    return {"previous": folder if folder.exists() else None, "is_intact": is_intact}


def _as_made(folder: Path, wanted: Fingerprint) -> Fingerprint:
    """The fingerprint of what is there, if it was made with what is wanted, said in other words.

    What a setting without a value stands for can depend on the data: the stage tells, in its summary.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return wanted
    there, stands_for = manifest.fingerprint, manifest.summary.get("stands_for", {})
    return there if there.in_full(stands_for) == wanted.in_full(stands_for) else wanted


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
