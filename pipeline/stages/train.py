"""The train stage: prepared data to checkpoints, event files and samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.config import TrainConfig
from pipeline.errors import Interrupted, UsageError
from pipeline.interrupts import StopEvent, listening
from pipeline.terminal import Terminal

NAME = "train"
SPEED = "examples/s"


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
        Summary: recipe, steps, parameters, last losses.

    Raises:
        UsageError: a setting that the recipe or the machine does not allow.
        DataError: damaged data or checkpoints.
        Interrupted: `stop` was set before the last step.
        TrainingDiverged: a value that is not finite.
    """
    from ssgan_tf.recipes import load_recipe
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.systems.recipe import DataSpec
    from ssgan_tf.training.loop import Loop, LoopOptions
    from ssgan_tf.training.open_batches import open_batches
    from ssgan_tf.training.replicas import ReplicaRange
    from ssgan_tf.training.strategy import make_strategy
    from ssgan_tf.training.trained import TrainingRecord

    recipe = load_recipe(config.recipe)
    overrides = dict(recipe_settings)
    overrides |= {
        name: value
        for name, value in (("steps", config.steps), ("batch_size", config.batch_size))
        if value is not None
    }
    settings = recipe.configure(config.preset, overrides)
    info = DatasetInfo.load(data)
    if recipe.needs_labels and not info.num_classes:
        raise UsageError(f"recipe {recipe.name} classifies, but {str(data)!r} has no classes.")
    strategy = make_strategy(
        config.strategy,
        config.replicas,
        workers=config.workers.split(",") if config.workers else (),
        worker_index=config.worker_index,
    )
    system = recipe.build(settings, DataSpec(info.image_shape, info.num_classes), config.precision)
    options = LoopOptions(
        steps=settings.steps,
        average_decay=(
            recipe.average_decay(settings) if config.average_decay is None else config.average_decay
        ),
        **{
            name: getattr(config, name)
            for name in (
                "steps_per_call",
                "summary_every",
                "histogram_every",
                "image_every",
                "checkpoint_every",
                "keep_checkpoints",
            )
        },
    )
    record = TrainingRecord(
        recipe=recipe.name,
        settings=recipe.describe(settings),
        image_shape=info.image_shape,
        class_names=info.class_names,
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
    }
