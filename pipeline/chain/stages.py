"""The table of stages: a row each. Plan, orchestrator, --force, explain and the command line read it.

A new stage is a file `pipeline/stages/NAME.py` (or a folder with `stage.py`) that holds its settings class
and `run(settings, *, ...)`, and a row here. `run` is called with those of these that it names:

    seed, recipe_settings, stop, terminal, output          and, for each input KEY of its row,
    KEY (the folder, or None) and KEY_digest (of the source)

It writes into `output` and returns the summary that goes into the manifest.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.stages.export.settings import ExportConfig
from pipeline.stages.preprocess.settings import DataConfig
from pipeline.stages.train.settings import TrainConfig
from pipeline.workspace import DATA
from ssgan_tf.file_names import CHECKPOINTS
from ssgan_tf.training.cluster import is_chief

SOURCE = "source"
"""The input that is no stage's result: what `--dataset` names."""


def _splits_alone(document: dict[str, Any]) -> dict[str, Any]:
    splits = document["splits"].items()
    return {"splits": {name: {"count": s["count"], "labelled": s["labelled"]} for name, s in splits}}


def _all_publish(settings: Any) -> bool:
    return True


def _chief_publishes(settings: Any) -> bool:
    return is_chief(settings, os.environ)


def _nothing(settings: Any) -> None:
    pass


def _prepare_devices(settings: Any) -> None:
    from ssgan_tf.training.strategy import prepare_devices

    prepare_devices(settings.strategy, settings.replicas)


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
        seeded: the seed of the draw decides its result.
        reads_recipe: the recipe's settings decide its result.
        resumes_from: what lies in an unfinished result that can be continued; None: it starts afresh.
        borrows: its settings that, where none is given, are another section's: name to dotted setting.
        keeps: what of the returned summary goes into the manifest.
        code: modules besides its own that it imports by computed names.
        publishes: False in a process that only helps another one, which publishes.
        prepare: does what must be done before any stage of the process starts.
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
    seeded: bool = False
    reads_recipe: bool = False
    resumes_from: str | None = None
    borrows: Mapping[str, str] = field(default_factory=dict)
    keeps: Callable[[dict[str, Any]], dict[str, Any]] = field(default=dict, repr=False)
    code: tuple[str, ...] = ()
    publishes: Callable[[Any], bool] = field(default=_all_publish, repr=False)
    prepare: Callable[[Any], None] = field(default=_nothing, repr=False)

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
            "data.labels_per_class",
            "data.labeled_rate",
            "data.labelled_keys",
            "data.image_size",
            "data.channels",
            "data.background",
            "data.test_rate",
            "data.validation_rate",
            "data.shards",
            "data.strict",
            "data.runner",
            "data.workers",
        ),
        folder=DATA,
        once_a_draw=True,
        seeded=True,
        keeps=_splits_alone,
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
            "train.strategy",
            "train.replicas",
            "train.precision",
            "train.workers",
            "train.worker_index",
        ),
        for_baseline=True,
        seeded=True,
        reads_recipe=True,
        resumes_from=CHECKPOINTS,
        publishes=_chief_publishes,
        prepare=_prepare_devices,
    ),
    Stage(
        name="evaluate",
        section="evaluate",
        settings=EvaluateConfig,
        inputs={"model": "train", "data": "preprocess"},
        summary="Evaluate a trained recipe on the held-out split.",
        options=("train.recipe", "evaluate.split"),
        for_baseline=True,
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
            "export.format",
            "export.temperature",
            "export.abstain_below",
        ),
        optional=frozenset({"metrics"}),
    ),
)
NAMES = tuple(stage.name for stage in STAGES)


def stage_named(name: str) -> Stage:
    """The row of a stage; KeyError where there is none."""
    return {stage.name: stage for stage in STAGES}[name]
