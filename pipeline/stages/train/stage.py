"""The train stage: prepared data to checkpoints, event files and samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import Interrupted, UsageError
from pipeline.interrupts import StopEvent, ending_at_once, listening
from pipeline.stages.train.planned import check_training, default_steps, system_of
from pipeline.stages.train.precision import ASKED, choose_precision
from pipeline.stages.train.settings import TrainConfig
from pipeline.terminal import Terminal

if TYPE_CHECKING:
    import tensorflow as tf

    from ssgan_tf.systems.recipe import System
    from ssgan_tf.training.epochs import Period
    from ssgan_tf.training.renewed_statistics import RenewedStatistics
    from ssgan_tf.training.trained import TrainingRecord

ACCURACY = "discriminator/accuracy"
SPEED = "examples/s"
EARLY = "before the first step"
# endings of recorded names, and what they are an accuracy of
ACCURACIES = {
    "/labelled_accuracy": "training-batch",
    "discriminator/accuracy": "real/fake",
    "validation/accuracy": "validation",
}


def run(
    config: TrainConfig,
    recipe_settings: Mapping[str, Any],
    *,
    seed: int,
    data: Path,
    output: Path,
    terminal: Terminal,
    stop: StopEvent | None = None,
    companions: Sequence[Path] = (),
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
        companions: folders of trainings that must have the same precision, where it is left to the machine.

    Returns:
        Summary: recipe, steps, parameters, last losses, and in `stands_for` the number of steps where none
        is given.

    Raises:
        UsageError: a setting that the recipe or the machine does not allow, or a training that was begun
            with other batches (on a machine with other devices).
        DataError: damaged data or checkpoints.
        Interrupted: `stop` was set before the last step.
        TrainingDiverged: a value that is not finite.
    """
    from ssgan_tf.file_names import CHECKPOINTS, TRAINING
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.training.checkpoints import latest_checkpoint
    from ssgan_tf.training.guessed import guesses_to_train_on
    from ssgan_tf.training.held_out import open_held_out
    from ssgan_tf.training.loop import Loop
    from ssgan_tf.training.open_batches import open_batches
    from ssgan_tf.training.replicas import ReplicaRange, peers
    from ssgan_tf.training.trained import TrainingRecord

    info = DatasetInfo.load(data)
    planned = check_training(config, recipe_settings, info)
    recipe, settings, options = planned.recipe, planned.settings, planned.options
    strategy = _strategy(config, terminal)
    replicas = ReplicaRange.of(strategy)
    with peers(replicas, EARLY):
        dtype, why = choose_precision(config, strategy, output, companions)
    system = system_of(planned, info, dtype)
    record = TrainingRecord(
        recipe=recipe.name,
        settings=recipe.describe(settings),
        image_shape=info.image_shape,
        class_names=info.class_names,
        framing=info.framing,
        dtype=dtype,
        seed=seed,
        loop={
            **asdict(options),
            "strategy": config.strategy,
            "replicas": strategy.num_replicas_in_sync,
            ASKED: config.precision,
        },
    )
    for line in (
        *planned.remarks(info.splits["train"]["count"]),
        *_where(config, strategy, system, why),
    ):
        terminal.say(f"  {line}")
    if latest_checkpoint(output / CHECKPOINTS) and (output / TRAINING).exists():
        _check_continues(TrainingRecord.load(output), record)
    record.save(output)
    # variables get the chief's values when they are made
    with peers(replicas, EARLY):
        guesses = guesses_to_train_on(
            info, system, strategy, folder=output, say=lambda line: terminal.say(f"  {line}")
        )
        batches = open_batches(
            info,
            system.streams(),
            seed=seed,
            memory_limit=config.memory_limit_mb * 2**20,
            replicas=replicas,
            guesses=guesses,
        )
        held_out = open_held_out(info, system)
        loop = Loop(system, batches, strategy, options, seed=seed, folder=output, held_out=held_out)
    if loop.renewed:
        terminal.say(f"  {_renewal_in_words(loop.renewed, recipe.name)}")
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

        def tell(period: Period, values: dict[str, float]) -> None:
            progress.say(f"  {period.title}: {epoch_in_words(values)}")

        with listening(stop):
            step = loop.run(show, stop, terminal.warn, tell)
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
        "stands_for": {"steps": default_steps(config, recipe_settings, info)},
    }


def _strategy(config: TrainConfig, terminal: Terminal) -> tf.distribute.Strategy:
    """Starts the devices; of several processes each waits here for the others."""
    from ssgan_tf.training.cluster import place_of, workers_of
    from ssgan_tf.training.strategy import make_strategy

    if config.strategy != "multiworker":
        return make_strategy(config.strategy, config.replicas)
    workers, place = workers_of(config, os.environ), place_of(config, os.environ)
    if place.processes > 1:
        terminal.say(f"  worker {place.number} of {place.processes}: waiting for the others")
    with ending_at_once():
        return make_strategy(config.strategy, workers=workers)


def epoch_in_words(values: Mapping[str, float]) -> str:
    """The means of an epoch as one line: losses, then accuracies.

    Args:
        values: by their recorded names; those that are neither are left out.
    """
    losses = [
        f"{name.removesuffix('/loss')} loss {value:.4g}"
        for name, value in values.items()
        if name.endswith("/loss")
    ]
    accuracies = [
        f"{title} accuracy {value * 100:.1f} %"
        for ending, title in ACCURACIES.items()
        for name, value in values.items()
        if name.endswith(ending)
    ]
    return ", ".join(losses + accuracies)


def _where(config: TrainConfig, strategy: Any, system: System, why: str) -> list[str]:
    """Devices, replicas, global batch and precision in a line, and what to know of the devices.

    Args:
        config, strategy, system: of the training.
        why: the precision is what it is, where nobody asked for it.
    """
    from ssgan_tf.devices import devices_in_words, visible_gpus
    from ssgan_tf.training.replicas import ReplicaRange
    from ssgan_tf.training.strategy import device_names

    replicas, gpus = ReplicaRange.of(strategy), visible_gpus()
    placed = devices_in_words(replicas.total, device_names(strategy), replicas.total // replicas.local)
    sizes = {name: stream.batch_size for name, stream in system.streams().items()}
    batch = " + ".join(f"{size} {name}" for name, size in sizes.items())
    lines = [f"{placed}, global batch {batch}, {system.dtype}{f' (auto: {why})' if why else ''}"]
    if config.strategy == "mirrored" and not gpus:
        lines.append(
            f"no GPU here: {replicas.total} logical CPU devices stand in, which share the cores: good for "
            "trying out that a recipe trains on several replicas, and no faster than one"
        )
    if config.strategy == "default" and len(gpus) > 1:
        lines.append(f"one of {len(gpus)} GPUs; --strategy mirrored trains on all of them")
    return lines


def _renewal_in_words(renewed: RenewedStatistics, recipe: str) -> str:
    if not renewed.variables():
        return (
            f"--batch-statistics renewed changes nothing of recipe {recipe}: no batch normalisation takes "
            "part in telling classes"
        )
    return (
        "after the last step batch normalisation gets new statistics, measured over "
        f"{renewed.images:,} training images"
    )


def _check_continues(before: TrainingRecord, now: TrainingRecord) -> None:
    """The fingerprint holds what was asked for; what the machine made of it may differ on another one."""
    if before.settings != now.settings:
        other = {
            name: (before.settings.get(name), value)
            for name, value in now.settings.items()
            if before.settings.get(name) != value
        }
        raise UsageError(
            "this training was begun with "
            + ", ".join(
                f"recipe.{name} {was}; here it would be {value}" for name, (was, value) in other.items()
            )
            + ". Continue it with as many replicas as before; `ganpipe clean` removes it."
        )
