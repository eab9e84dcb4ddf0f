"""The train stage: prepared data to checkpoints, event files and samples."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, Interrupted, UsageError
from pipeline.interrupts import StopEvent, listening
from pipeline.stages.train.settings import TrainConfig
from pipeline.terminal import Terminal
from ssgan_tf.training.options import LoopOptions

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.systems.recipe import Recipe, System

ACCURACY = "discriminator/accuracy"
SPEED = "examples/s"
SMALL = "small"
# of a few photos, a longer training learns nothing new
PASSES = 200


@dataclass(frozen=True)
class Planned:
    """What would be trained: the recipe, its settings and the loop's; whether few images cut the steps."""

    recipe: Recipe
    settings: Any
    options: LoopOptions
    fewer_steps: bool = False


def check_training(
    config: TrainConfig, recipe_settings: Mapping[str, Any], info: DatasetInfo | None = None
) -> Planned:
    """Checks all that can be known before the first step; builds no network and starts no device.

    Where nothing says how large a batch is and how many steps there are, a recipe that classifies takes its
    own numbers; but the preset small, on few images, no batch larger than they are, and no more steps than
    show each of them 200 times.

    Args:
        config: strategy, precision, intervals.
        recipe_settings: overrides of the recipe's settings.
        info: the prepared data, where it is there already.

    Raises:
        UsageError: a setting that the recipe or the machine does not allow, or a recipe that classifies and
            data without classes.
        DataError: the training split is empty, or lacks what the recipe needs: labels, a second class.
    """
    from ssgan_tf.recipes import load_recipe

    recipe = load_recipe(config.recipe)
    chosen = {"steps": config.steps, "batch_size": config.batch_size}
    overrides = {**recipe_settings, **{name: v for name, v in chosen.items() if v is not None}}
    settings = recipe.configure(config.preset, overrides)
    fits = info is not None and config.preset == SMALL and recipe.needs_labels
    fitted = _fitted(settings, info) if info is not None and fits else {}
    fitted = {name: value for name, value in fitted.items() if name not in overrides}
    settings = recipe.configure(config.preset, {**fitted, **overrides})
    given = {field.name: getattr(config, field.name) for field in dataclasses.fields(LoopOptions)}
    options = recipe.loop_options(config.preset, settings)
    options |= {name: value for name, value in given.items() if value is not None}
    planned = Planned(recipe, settings, LoopOptions(**options | {"steps": settings.steps}), "steps" in fitted)
    if info is not None:
        _check_data(planned, _system(planned, config, info), config, info)
    return planned


def _fitted(settings: Any, info: DatasetInfo) -> dict[str, int]:
    """What of a recipe's batch and steps is too much for the number of training images."""
    count = max(1, info.splits.get("train", {}).get("count", 0))
    batch = min(settings.batch_size, 1 << (count.bit_length() - 1))
    steps = -(-PASSES * count // batch)
    fitted = {"batch_size": batch} if batch < settings.batch_size else {}
    return fitted | ({"steps": steps} if steps < settings.steps else {})


def in_full(config: TrainConfig, recipe_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what decides the result and is not given: of the preset, the recipe and the loop.

    The number of steps is left None where none is given: it can depend on the data, and the summary of a
    training says what it stands for.

    Raises:
        UsageError: a setting that the recipe does not allow.
    """
    planned = check_training(config, recipe_settings)
    settings = planned.recipe.describe(planned.settings)
    settings.pop("steps")
    return {
        "steps": recipe_settings.get("steps") if config.steps is None else config.steps,
        "batch_size": settings.pop("batch_size"),
        "average_decay": planned.options.average_decay,
        "settings": settings,
    }


def _default_steps(config: TrainConfig, recipe_settings: Mapping[str, Any], info: DatasetInfo) -> int:
    """What the number of steps is where none is given."""
    others = {name: value for name, value in recipe_settings.items() if name != "steps"}
    return check_training(dataclasses.replace(config, steps=None), others, info).options.steps


def _system(planned: Planned, config: TrainConfig, info: DatasetInfo) -> System:
    from ssgan_tf.systems.recipe import DataSpec

    spec = DataSpec(info.image_shape, info.num_classes)
    return planned.recipe.build(planned.settings, spec, config.precision)


def _check_data(planned: Planned, system: System, config: TrainConfig, info: DatasetInfo) -> None:
    from ssgan_tf.errors import NoLabels
    from ssgan_tf.training.batches import check_batch_sizes
    from ssgan_tf.training.cluster import place_of
    from ssgan_tf.training.strategy import count_replicas

    name, data = planned.recipe.name, str(info.folder)
    if planned.recipe.needs_labels and info.num_classes < 2:
        if not info.num_classes:
            raise UsageError(f"recipe {name} classifies, but {data!r} has no classes.")
        raise DataError(
            f"recipe {name} classifies, but {data!r} has one class only: {info.class_names[0]!r}."
        )
    split = info.splits.get("train", {})
    if not split.get("count"):
        raise DataError(f"the training split of {data!r} holds no image.")
    streams = system.streams()
    if split.get("labelled") == 0 and any(stream.labelled_only for stream in streams.values()):
        raise NoLabels(
            f"no training image of {data!r} has a label, and recipe {name} trains on labelled images."
        )
    processes = place_of(config, os.environ).processes
    check_batch_sizes(streams, count_replicas(config.strategy, config.replicas, processes))


def run(
    config: TrainConfig,
    recipe_settings: Mapping[str, Any],
    *,
    seed: int,
    data: Path,
    output: Path,
    terminal: Terminal,
    stop: StopEvent | None = None,
) -> dict[str, Any]:
    """Trains a recipe on the prepared data, resuming from what `output` already holds.

    Args:
        config: strategy, precision, intervals.
        recipe_settings: overrides of the recipe's settings.
        seed: of initial weights, data order and noise.
        data: folder of prepared data.
        output: the run's folder; its checkpoints are continued.
        terminal: shows progress.
        stop: ends the run early, after a checkpoint, when set.

    Returns:
        Summary: recipe, steps, parameters, last losses, and in `stands_for` the number of steps where none
        is given.

    Raises:
        UsageError: a setting that the recipe or the machine does not allow.
        DataError: damaged data or checkpoints.
        Interrupted: `stop` was set before the last step.
        TrainingDiverged: a value that is not finite.
    """
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.training.loop import Loop
    from ssgan_tf.training.open_batches import open_batches
    from ssgan_tf.training.replicas import ReplicaRange
    from ssgan_tf.training.strategy import make_strategy
    from ssgan_tf.training.trained import TrainingRecord

    info = DatasetInfo.load(data)
    planned = check_training(config, recipe_settings, info)
    recipe, settings, options = planned.recipe, planned.settings, planned.options
    if planned.fewer_steps:
        count = info.splits["train"]["count"]
        terminal.say(
            f"  {settings.steps} steps: they show each of the {count} training images {PASSES} times "
            "(--steps says otherwise)"
        )
    strategy = make_strategy(
        config.strategy,
        config.replicas,
        workers=config.workers.split(",") if config.workers else (),
        worker_index=config.worker_index,
    )
    system = _system(planned, config, info)
    record = TrainingRecord(
        recipe=recipe.name,
        settings=recipe.describe(settings),
        image_shape=info.image_shape,
        class_names=info.class_names,
        framing=info.framing,
        dtype=config.precision,
        seed=seed,
        loop={**asdict(options), "strategy": config.strategy, "replicas": strategy.num_replicas_in_sync},
    )
    record.save(output)
    batches = open_batches(
        info,
        system.streams(),
        seed=seed,
        memory_limit=config.memory_limit_mb * 2**20,
        replicas=ReplicaRange.of(strategy),
    )
    loop = Loop(system, batches, strategy, options, seed=seed, folder=output)
    latest: dict[str, float] = {}
    with terminal.progress(f"train {recipe.name}", settings.steps) as progress:

        def show(step: int, values: dict[str, float]) -> None:
            latest.update(values)
            shown = {name: value for name, value in values.items() if name.endswith("/loss")}
            if ACCURACY in values:
                shown[f"{ACCURACY} %"] = 100.0 * values[ACCURACY]
            # not known before the second call: the first one traces
            if speed := values[SPEED]:
                shown[SPEED] = speed
            progress.update(step, shown)

        with listening(stop):
            step = loop.run(show, stop, terminal.warn)
    if step < settings.steps:
        raise Interrupted(
            f"training stopped at step {step} of {settings.steps}, with a checkpoint. The same command "
            "continues it."
        )
    return {
        "recipe": recipe.name,
        "steps": step,
        "parameters": {name: int(network.count_params()) for name, network in loop.networks.items()},
        "last": {name: value for name, value in latest.items() if name != SPEED},
        "stands_for": {"steps": _default_steps(config, recipe_settings, info)},
    }
