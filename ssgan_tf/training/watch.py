"""What a run does beside its steps: when each thing is due, and that nothing of it reaches a weight.

watch.begin(step)
count = watch.steps_until_due(step)
with watch.timed(step, count): ...          the steps
watch.after(step, count, names, history)    what was due
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from ssgan_tf.systems.recipe import Networks, System
from ssgan_tf.training.epochs import Period
from ssgan_tf.training.guards import CollapseGuard
from ssgan_tf.training.held_out import HeldOut
from ssgan_tf.training.movement import Movement
from ssgan_tf.training.options import LoopOptions
from ssgan_tf.training.summaries import SAMPLE_SEED, Summaries

OnEpoch = Callable[[Period, dict[str, float]], None]


class Watch:
    """Summaries, the accuracy on held-out images, signs of collapse, and the epochs' means.

    Args:
        system: trains and draws.
        networks, averages, optimizers: what is looked at.
        summaries: write; False in `summaries.write` in a process that is not the chief.
        periods: the run's epochs.
        options: intervals.
        real: training images uint8 [N, H, W, C].
        held_out: measures the accuracy on images that are not trained on, if any.
    """

    def __init__(
        self,
        system: System,
        networks: Networks,
        averages: Networks,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        *,
        summaries: Summaries,
        periods: Sequence[Period],
        options: LoopOptions,
        real: tf.Tensor,
        held_out: HeldOut | None,
    ) -> None:
        self.system, self.networks, self.averages, self.optimizers = system, networks, averages, optimizers
        self.summaries, self.options, self.real, self.held_out = summaries, options, real, held_out
        self._periods = {period.end: period for period in periods}
        self._guard = CollapseGuard(None)
        self._on_epoch: OnEpoch | None = None
        self._movement: Movement | None = None

    def begin(
        self, step: int, on_warning: Callable[[str], None] | None, on_epoch: OnEpoch | None = None
    ) -> None:
        """Starts, or goes on from `step`.

        Args:
            on_warning: is told once of each sign of collapse, and of a history that is lost.
            on_epoch: is called where epochs end, with the means over their steps, and the accuracy on
                held-out images where it was measured just then.
        """
        self._guard, self._on_epoch = CollapseGuard(on_warning), on_epoch
        self.summaries.begin(self.networks, self.averages, step, self.optimizers, self.real, on_warning)
        if self.held_out and self.summaries.write:
            accuracy = self.held_out.begin(self.averages, self.networks)
            if step == 0:
                self.summaries.validation(0, accuracy)

    def steps_until_due(self, step: int) -> int:
        """How many steps from `step` one call may run; a step whose movement is looked at stands alone."""
        count = self.options.until_next_action(step)
        count = min(count, next(end for end in self._periods if end > step) - step)
        return count - 1 if count > 1 and self._weights_are_due(step + count) else count

    def _weights_are_due(self, step: int) -> bool:
        return step % self.options.histogram_every == 0 or step == self.options.steps

    @contextmanager
    def timed(self, step: int, count: int) -> Iterator[None]:
        """Stands around the call of `count` steps from `step`."""
        alone = count == 1 and self._weights_are_due(step + 1) and self.summaries.write
        self._movement = Movement(self.networks, self.optimizers) if alone else None
        with self.summaries.timed(count):
            yield

    def after(self, step: int, names: list[str], history: np.ndarray, waited: float) -> None:
        """Does what is due.

        Args:
            step: the step reached.
            names: of the values.
            history: float32 [steps of the call, len(names)].
            waited: seconds that the call waited for images.
        """
        summaries, options, period = self.summaries, self.options, self._periods.get(step)
        self._guard.losses(step, names, history)
        summaries.losses(step - len(history), names, history)
        summaries.data_wait(step, waited / len(history))
        if self._movement:
            summaries.scalars(step, self._movement.after())
        if self._weights_are_due(step):
            summaries.histograms(step, self.networks)
        if step % options.image_every == 0 or period:
            summaries.samples(step, self.averages)
            self._look_for_collapse(step)
        found = {}
        if self.held_out and summaries.write and (step % options.validation_every == 0 or period):
            accuracy = self.held_out.measure(always=step == options.steps)
            if accuracy:
                summaries.validation(step, accuracy)
                found["validation/accuracy"] = accuracy.averaged
        if period and summaries.write:
            means = summaries.epoch(period)
            if self._on_epoch:
                self._on_epoch(period, means | found)

    def _look_for_collapse(self, step: int) -> None:
        if self.system.generator is not None:
            made = self.system.generate(self.averages, self.system.latent(64, SAMPLE_SEED))
            self._guard.generated(
                step, self.system.vectors(np.asarray(made)), self.system.vectors(np.asarray(self.real))
            )
