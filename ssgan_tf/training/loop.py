"""The training loop: many steps in one `tf.function` call, the same code for every strategy.

    loop = Loop(system, batches, strategy, options, seed=0, folder=folder)
    loop.run()

Inside a step each update of the recipe is one forward pass, one gradient for each network that it
trains, and one optimizer step each; the weight averages follow. Outside, every interval has its own
action (`watch.py`, `checkpoints.py`), and nothing of it changes a weight.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf.file_names import CHECKPOINTS
from ssgan_tf.step_context import StepContext
from ssgan_tf.systems.recipe import Losses, System
from ssgan_tf.training.averages import copy_weights, update_averages, update_rate
from ssgan_tf.training.batches import check_batch_sizes
from ssgan_tf.training.checkpoints import Checkpoints, network_variables, optimizer_variables
from ssgan_tf.training.epochs import periods_of
from ssgan_tf.training.guards import check_losses, check_variables_finite, writable
from ssgan_tf.training.held_out import HeldOut
from ssgan_tf.training.options import RENEWED, LoopOptions
from ssgan_tf.training.renewed_statistics import RenewedStatistics
from ssgan_tf.training.replicas import ReplicaRange, any_process, broadcast_from_chief, peers
from ssgan_tf.training.summaries import Summaries
from ssgan_tf.training.watch import OnEpoch, Watch


class Loop:
    """Trains a system.

    Args:
        system: networks and losses.
        batches: gives each replica its batch of every stream.
        strategy: where replicas run.
        options: intervals and counts.
        seed: of initial weights and of all randomness of the steps.
        folder: gets `checkpoints/`, `events/` and `samples/`.
        held_out: measures the accuracy on images that are not trained on; None: nothing does.

    Attributes:
        renewed: measures the statistics of batch normalisation after the last step; None: they are not.

    In a run of several processes only the chief reads and writes `folder`.
    """

    def __init__(
        self,
        system: System,
        batches: Any,
        strategy: tf.distribute.Strategy,
        options: LoopOptions,
        *,
        seed: int,
        folder: Path,
        held_out: HeldOut | None = None,
    ) -> None:
        check_batch_sizes(system.streams(), strategy.num_replicas_in_sync)
        self.system, self.batches, self.strategy = system, batches, strategy
        self.options, self.seed, self.folder = options, seed, Path(folder)
        keras.utils.set_random_seed(seed)
        with strategy.scope():
            self.networks = system.build_networks()
            self.first_images = batches.first_images(512)
            system.initialise(self.networks, self.first_images)
            self.averages = system.build_networks()
            copy_weights(self.averages, self.networks)
            self.optimizers = self._build_optimizers()
            self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.renewed: RenewedStatistics | None = None
        if options.batch_statistics == RENEWED:
            self.renewed = RenewedStatistics(system, batches, [self.networks, self.averages])
        self.updates = system.updates()
        self.replicas = ReplicaRange.of(strategy)
        write = self.replicas.chief
        self.checkpoints = Checkpoints(
            self.folder / CHECKPOINTS, self._state(), options.keep_checkpoints, write
        )
        periods = periods_of(batches.count, system.settings.batch_size, options.steps)
        self.summaries = Summaries(
            self.folder, system, write, {**asdict(options), "seed": seed, "dtype": system.dtype}, periods
        )
        self.watch = Watch(
            *(system, self.networks, self.averages, self.optimizers),
            summaries=self.summaries,
            periods=periods,
            options=options,
            real=self.first_images,
            held_out=held_out,
        )
        self.names: list[str] = []
        self._run_steps = tf.function(self._steps, reduce_retracing=True)
        self._any_process = any_process(strategy, self.replicas)

    def _build_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        optimizers = self.system.build_optimizers()
        if self.system.dtype == "mixed_float16":
            optimizers = {
                name: keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**12)
                for name, inner in optimizers.items()
            }
        for name, optimizer in optimizers.items():
            optimizer.build(self.networks[name].trainable_variables)
        return optimizers

    def _state(self) -> dict[str, tf.Variable]:
        state = network_variables("weight", self.networks)
        state |= network_variables("average", self.averages)
        state |= optimizer_variables(self.optimizers)
        return state | {"step": self.step}

    # One step on one replica ---------------------------------------------------------------------

    def _replica_step(self, step: tf.Tensor, element: Any) -> tf.Tensor:
        context = StepContext(self.seed, step)
        record: dict[str, list[tf.Tensor]] = {}
        with context.entered():
            batches = self.batches.local(context, element)
            for update in self.updates:
                with tf.GradientTape(persistent=True) as tape:
                    losses = update(self.networks, batches, context)
                    scaled = self._scaled(losses, context.replicas)
                # all gradients belong to the weights before this update
                gradients = {name: tape.gradient(loss, self._trained(name)) for name, loss in scaled.items()}
                for name, gradient in gradients.items():
                    self.optimizers[name].apply(
                        self._complete(name, gradient), self.networks[name].trainable_variables
                    )
                minimised = {f"{name}/loss": loss for name, loss in losses.minimise.items()}
                for name, value in {**losses.record, **minimised}.items():
                    record.setdefault(name, []).append(tf.cast(context.all_mean(value), tf.float32))
        self.names = list(record)
        return tf.stack([_mean(values) for values in record.values()])

    def _scaled(self, losses: Losses, replicas: int) -> dict[str, tf.Tensor]:
        # Keras sums gradients over the replicas; the global loss is their mean
        return {
            name: self.optimizers[name].scale_loss(loss / replicas) for name, loss in losses.minimise.items()
        }

    def _trained(self, name: str) -> list[tf.Variable]:
        return [variable.value for variable in self.networks[name].trainable_variables]

    def _complete(self, name: str, gradients: list[tf.Tensor | None]) -> list[tf.Tensor]:
        for variable, gradient in zip(self.networks[name].trainable_variables, gradients, strict=True):
            if gradient is None:
                raise ValueError(
                    f"{variable.path} of the {name} gets no gradient: a layer is left out of the "
                    "forward pass, or a loss does not reach it"
                )
        return gradients

    # Many steps in one call ----------------------------------------------------------------------

    def _steps(self, first: tf.Tensor, count: tf.Tensor, iterator: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs `count` steps; returns the values of each and the seconds spent waiting for data."""
        history = tf.TensorArray(tf.float32, size=tf.cast(count, tf.int32))
        waited, before = tf.constant(0.0, tf.float64), tf.constant(0.0)
        for i in tf.range(count):
            element = None
            if iterator is not None:
                # the clock starts when the step before is done, not when the iterator is free
                with tf.control_dependencies([before]):
                    start = tf.timestamp()
                with tf.control_dependencies([start]):
                    element = next(iterator)
                with tf.control_dependencies(tf.nest.flatten(element)):
                    waited += tf.timestamp() - start
            values = self._step(first + i, element)
            before = values[0]
            history = history.write(tf.cast(i, tf.int32), values)
        return history.stack(), waited

    # AutoGraph makes a loop of the graph out of the one above; here it would look for loops in every
    # function below this one, which costs more than the whole trace, and find none
    @tf.autograph.experimental.do_not_convert
    def _step(self, step: tf.Tensor, element: Any) -> tf.Tensor:
        """One step on all replicas; returns its values."""
        values = self.strategy.run(self._replica_step, args=(step, element))
        rate = update_rate(self.options.average_decay, step)
        update_averages(self.strategy, self.averages, self.networks, rate)
        return self.strategy.experimental_local_results(values)[0]

    # The run -------------------------------------------------------------------------------------

    def run(
        self,
        on_progress: Callable[[int, dict[str, float]], None] | None = None,
        stop: threading.Event | None = None,
        on_warning: Callable[[str], None] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> int:
        """Trains from the newest whole checkpoint (or the start) to `options.steps`.

        Args:
            on_progress: called after every call with the step reached and the latest values.
            stop: when set, in any process of the run, a checkpoint is written and all of them end early, at
                the same step; every process has one, or none has.
            on_warning: is told of damaged checkpoints passed over, and once of each sign of collapse.
            on_epoch: is called where epochs end, with the means over their steps (`Watch.begin`).

        Returns:
            The step reached.

        Raises:
            TrainingDiverged: a loss or weight is not finite; names the step and the term.
            DataError: all checkpoints are damaged, one is of another recipe, or the folder is not writable.
            WorkerLost: another process of the run ended.
        """
        with writable(self.folder):
            return self._run(on_progress, stop, on_warning, on_epoch)

    def _run(
        self,
        on_progress: Callable[[int, dict[str, float]], None] | None,
        stop: threading.Event | None,
        on_warning: Callable[[str], None] | None,
        on_epoch: OnEpoch | None,
    ) -> int:
        if self.replicas.chief:
            self.checkpoints.restore(on_warning)
        with peers(self.replicas, "before the first step"):
            broadcast_from_chief(self.strategy, self.replicas, self._state().values())
        options, step = self.options, int(self.step.numpy())
        self.watch.begin(step, on_warning, on_epoch)
        iterator = iter(self.batches.elements(step)) if self.batches.streaming else None
        while step < options.steps and not self._told_to_stop(stop, step):
            count = self.watch.steps_until_due(step)
            with self.watch.timed(step, count):
                arguments = (tf.constant(step, tf.int64), tf.constant(count, tf.int64))
                history, waited = self._call(*arguments, iterator)
            check_losses(step, self.names, history, self.checkpoints.latest)
            step += count
            self.step.assign(step)
            if step == options.steps:
                self._renew_statistics()
            self.watch.after(step, self.names, history, float(waited))
            latest = dict(zip(self.names, history[-1].tolist(), strict=True))
            if on_progress:
                on_progress(step, latest | {"examples/s": self.summaries.examples_per_second})
            if step % options.checkpoint_every == 0 or step == options.steps:
                self._save(step)
        if step < options.steps and step % options.checkpoint_every:
            self._save(step)
        self.checkpoints.tidy(step)
        self.summaries.close()
        return step

    def _call(self, first: tf.Tensor, count: tf.Tensor, iterator: Any) -> tuple[np.ndarray, np.ndarray]:
        with peers(self.replicas, f"between steps {int(first)} and {int(first + count)}"):
            history, waited = self._run_steps(first, count, iterator)
            return history.numpy(), waited.numpy()

    def _renew_statistics(self) -> None:
        # before the last checkpoint, which so holds them: a run killed here does its last steps again, and
        # one that goes on from that checkpoint has nothing left to do
        if self.renewed is not None and self.renewed.variables():
            with peers(self.replicas, "after the last step"):
                if self.replicas.chief:
                    self.renewed.renew()
                broadcast_from_chief(self.strategy, self.replicas, self.renewed.variables())

    def _told_to_stop(self, stop: threading.Event | None, step: int) -> bool:
        if stop is None:
            return False
        with peers(self.replicas, f"after step {step}"):
            return self._any_process(stop.is_set())

    def _save(self, step: int) -> None:
        check_variables_finite(step, self._state(), self.checkpoints.latest)
        self.summaries.save_history()
        self.checkpoints.save(step)


def _mean(values: list[tf.Tensor]) -> tf.Tensor:
    return tf.add_n(values) / len(values) if len(values) > 1 else values[0]
