"""The table of stages: a row each. Plan, orchestrator, --force, explain and the command line read it.

A new stage is a file `pipeline/stages/NAME.py` (or a folder with `stage.py`) that holds its settings class
and `run(settings, *, ...)`, and a row here. `run` is called with those of these that it names:

    seed, fold, recipe_settings, stop, terminal, output    and, for each input KEY of its row,
    KEY (the folder, or None) and KEY_digest (of the source)
    content (the fingerprint's digest), previous (the folder of the result that is there, or None),
    is_intact (whether its files below a path are as they were written) and
    companions (the folders of what is there of the stage for the model, its pair or baseline, in any fold)

One that pools gets `folds` too: the folders of its results in the folds of the draw. It writes into
`output` and returns the summary that goes into the manifest.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.chain import hooks
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.stages.export.settings import ExportConfig
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.stages.train.settings import TrainConfig
from pipeline.workspace import DATA
from ssgan_tf.file_names import CHECKPOINTS

SOURCE = "source"
"""The input that is no stage's result: what `--dataset` names."""


def _as_given(settings: Any, recipe_settings: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _never(settings: Any) -> bool:
    return False


def _all_publish(settings: Any) -> bool:
    return True


def _nothing(settings: Any) -> None:
    pass


def _nothing_more(settings: Any, folder: Path, content: str) -> list[str]:
    return []


def _nothing_afterwards(settings: Any, folder: Path, terminal: Any) -> None:
    pass


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: of its command, and of its result to the user.
        section: of its settings in a configuration.
        settings: their class.
        inputs: keyword of `run` to the stage whose result it is, or SOURCE.
        summary: its command's help.
        options: settings that are options of its command.
        optional: inputs that may be absent.
        folder: of its result, where it is not the stage's name.
        once_a_draw: its result belongs to the label draw, not to a model.
        for_baseline: the paired baseline gets one too.
        in_folds: a draw that is cross-fitted has one for each fold too, where it belongs to what classifies.
        pools: whether, with its settings, that of the whole draw reads those of the folds.
        seeded: the seed of the draw decides its result.
        reads_recipe: the recipe's settings decide its result.
        resolve: parameters that decide its result, in full: presets and settings that were not given replaced
            by what they stand for, so that two ways of saying the same are equal.
        resumes_from: what lies in an unfinished result that can be continued; None: it starts afresh.
        borrows: its settings that, where none is given, are another section's: name to dotted setting.
        keeps: what of the returned summary goes into the manifest.
        code: modules besides its own that it imports by computed names.
        publishes: False in a process that only helps another one, which publishes.
        prepare: does what must be done before any stage of the process starts.
        why_again: of settings, the result's folder and the fingerprint's digest: why the stage would run
            although the result that is there has that fingerprint. Raises where it must not run at all.
        check: raises where its settings cannot work, before any stage of the process starts.
        afterwards: of settings, the result's folder and the terminal: what is done with the result of the
            model that was asked for, made or reused. Raises GateRefused where a check says no.
    """

    name: str
    section: str
    settings: type
    inputs: Mapping[str, str]
    summary: str
    options: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    folder: str = ""
    once_a_draw: bool = False
    for_baseline: bool = False
    in_folds: bool = False
    pools: Callable[[Any], bool] = field(default=_never, repr=False)
    seeded: bool = False
    reads_recipe: bool = False
    resolve: Callable[[Any, Mapping[str, Any]], dict[str, Any]] = field(default=_as_given, repr=False)
    resumes_from: str | None = None
    borrows: Mapping[str, str] = field(default_factory=dict)
    keeps: Callable[[dict[str, Any]], dict[str, Any]] = field(default=dict, repr=False)
    code: tuple[str, ...] = ()
    publishes: Callable[[Any], bool] = field(default=_all_publish, repr=False)
    prepare: Callable[[Any], None] = field(default=_nothing, repr=False)
    why_again: Callable[[Any, Path, str], list[str]] = field(default=_nothing_more, repr=False)
    check: Callable[[Any], None] = field(default=_nothing, repr=False)
    afterwards: Callable[[Any, Path, Any], None] = field(default=_nothing_afterwards, repr=False)

    @property
    def module(self) -> str:
        """The file or folder that holds it."""
        return f"pipeline.stages.{self.name}"

    @property
    def place(self) -> str:
        """The folder of its result."""
        return self.folder or self.name

    def run(self, settings: Any, offered: Mapping[str, Any]) -> dict[str, Any]:
        """Calls the stage with those of the offered keywords that it names; returns its summary."""
        spec = importlib.util.find_spec(self.module)
        is_folder = spec is not None and spec.submodule_search_locations is not None
        run = importlib.import_module(f"{self.module}.stage" if is_folder else self.module).run
        names = inspect.signature(run).parameters
        return self.keeps(run(settings, **{name: v for name, v in offered.items() if name in names}))


STAGES = (
    Stage(
        name="preprocess",
        section="data",
        settings=DataConfig,
        inputs={"source": SOURCE},
        summary="Read a data set, draw the labelled set and write TFRecords.",
        options=(
            "data.dataset",
            "data.data_dir",
            "data.labels",
            "data.test_labels",
            "data.label_columns",
            "data.classes",
            "data.unlabelled_folders",
            "data.yes",
            "data.labels_per_class",
            "data.labeled_rate",
            "data.labelled_keys",
            "data.image_size",
            "data.resize",
            "data.channels",
            "data.background",
            "data.test_rate",
            "data.folds",
            "data.validation_rate",
            "data.certify_rate",
            "data.shards",
            "data.schema",
            "data.strict",
            "data.runner",
            "data.workers",
            "data.beam_option",
        ),
        folder=DATA,
        once_a_draw=True,
        in_folds=True,
        seeded=True,
        keeps=hooks.splits_alone,
        resolve=hooks.background_level,
        check=hooks.schema_given,
        why_again=hooks.schema_of_prepared,
        afterwards=hooks.schema_told,
    ),
    Stage(
        name="train",
        section="train",
        settings=TrainConfig,
        inputs={"data": "preprocess"},
        summary="Train a recipe on the prepared data; resumes where a killed run stopped.",
        options=(
            "train.recipe",
            "train.preset",
            "train.steps",
            "train.epochs",
            "train.batch_size",
            "train.views",
            "train.batch_statistics",
            "train.strategy",
            "train.replicas",
            "train.precision",
            "train.workers",
            "train.worker_index",
            "train.port",
        ),
        for_baseline=True,
        in_folds=True,
        seeded=True,
        reads_recipe=True,
        resolve=hooks.trained_with,
        resumes_from=CHECKPOINTS,
        publishes=hooks.chief_publishes,
        prepare=hooks.prepare_devices,
    ),
    Stage(
        name="evaluate",
        section="evaluate",
        settings=EvaluateConfig,
        inputs={"model": "train", "data": "preprocess"},
        summary="Evaluate a trained recipe on the held-out split.",
        options=(
            "train.recipe",
            "evaluate.split",
            "evaluate.target_error",
            "evaluate.confidence",
            "evaluate.alpha",
            "evaluate.foreign",
            "evaluate.require",
            "evaluate.not_worse_than",
            "evaluate.margin",
        ),
        resolve=hooks.foreign_content,
        check=hooks.requirements,
        afterwards=hooks.blessed,
        for_baseline=True,
        in_folds=True,
        pools=hooks.tests,
        borrows={"temperature": "export.temperature"},
    ),
    Stage(
        name="export",
        section="export",
        settings=ExportConfig,
        inputs={"model": "train", "data": "preprocess", "metrics": "evaluate"},
        summary="Export a trained recipe as SavedModels, and check that they answer as it does.",
        options=(
            "train.recipe",
            "export.version",
            "export.keep",
            "export.format",
            "export.temperature",
            "export.abstain_below",
            "export.push",
            "export.push_keep",
        ),
        check=hooks.push_target,
        afterwards=hooks.pushed,
        optional=frozenset({"metrics"}),
        why_again=hooks.versions_wanted,
    ),
)
NAMES = tuple(stage.name for stage in STAGES)


def stage_named(name: str) -> Stage:
    """The row of a stage; KeyError where there is none."""
    return {stage.name: stage for stage in STAGES}[name]
