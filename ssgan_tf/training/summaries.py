"""What is seen of a run: losses of every step and epoch, weights, samples, networks, speed, settings.

folder/events.out.*    for TensorBoard, which calls a run by its folder
                       and sorts by name: the losses of all networks (`Loss`) come first
folder/samples         what the generator makes of the same latent vectors, PNG
folder/history.npz     see `history.py`
folder/views.png       the random views that training takes of its images, if it does
folder/losses.png      the history as curves, when the run ends
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.scalar.summary import scalar_pb

from ssgan_tf.file_names import CURVES, HISTORY, VIEWS
from ssgan_tf.plots import save_curves
from ssgan_tf.systems.recipe import Networks, System
from ssgan_tf.training.epochs import Period
from ssgan_tf.training.held_out import Accuracy
from ssgan_tf.training.history import History
from ssgan_tf.training.network_views import network_graph, weight_names
from ssgan_tf.training.views_picture import views_picture

SAMPLE_SEED = 20161112


class Summaries:
    """Writes event files, samples and the history of a run.

    Args:
        folder: the run's folder.
        system: draws the pictures, and gives settings and batch sizes.
        write: False writes nothing.
        configuration: settings of the loop, shown beside those of the recipe.
        periods: the run's epochs.
    """

    def __init__(
        self,
        folder: Path,
        system: System,
        write: bool = True,
        configuration: Mapping[str, Any] | None = None,
        periods: Sequence[Period] = (),
    ) -> None:
        self.folder, self.system, self.write = Path(folder), system, write
        self.configuration = flat_settings(system.settings) | dict(configuration or {})
        self.examples_per_second = 0.0
        self.history = History(self.folder / HISTORY, periods)
        self._examples = sum(stream.batch_size for stream in system.streams().values())
        self._writer: tf.summary.SummaryWriter | None = None
        self._optimizers: Mapping[str, keras.optimizers.Optimizer] = {}
        self._real: tf.Tensor | None = None
        self._seconds = 0.0
        self._calls = 0

    def begin(
        self,
        networks: Networks,
        averages: Networks,
        step: int,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        real: tf.Tensor,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        """Opens the event file; a new run gets its settings as text and HParams, its networks as a graph,
        and histograms and samples at step 0.

        Args:
            networks: whose weights the first histograms show.
            averages: which make the first samples.
            step: where the run stands; the history is cut there.
            optimizers: whose learning rates are shown.
            real: training images uint8 [N, H, W, C], for pictures that compare.
            on_warning: is told where the history of the steps before is lost.
        """
        if not self.write:
            return
        self._optimizers, self._real = optimizers, real
        self.history.begin(step, on_warning)
        self._writer = tf.summary.create_file_writer(str(self.folder))
        if step == 0:
            with self._writer.as_default(step=0):
                rows = "\n".join(f"| {key} | {value} |" for key, value in self.configuration.items())
                tf.summary.text("configuration", f"| setting | value |\n|---|---|\n{rows}")
                hparams.hparams(
                    {
                        key: value if isinstance(value, bool | int | float | str) else str(value)
                        for key, value in self.configuration.items()
                    }
                )
                tf.summary.graph(network_graph(self.system, networks))
            self.histograms(0, networks)
            self.samples(0, averages)
            self._views(real)

    @contextmanager
    def timed(self, count: int) -> Iterator[None]:
        """Times a call of `count` steps; the first call, which traces, gives no speed."""
        start = time.perf_counter()
        yield
        self._seconds = time.perf_counter() - start
        self._calls += 1
        if self._calls > 1:
            self.examples_per_second = self._examples * count / self._seconds

    def losses(self, first_step: int, names: list[str], history: np.ndarray) -> None:
        """Writes the values float32 [steps, len(names)] of the steps after `first_step`."""
        if self._writer is None:
            return
        self.history.add(names, history, self._seconds)
        # one event a step: tf.summary.scalar costs a third of a millisecond for each value
        event = Summary(value=[scalar_pb(_tag(name), 0.0).value[0] for name in names])
        step = first_step + len(history)
        with self._writer.as_default():
            for row, values in enumerate(history):
                for entry, value in zip(event.value, values, strict=True):
                    entry.tensor.float_val[0] = value
                tf.summary.experimental.write_raw_pb(event.SerializeToString(), step=first_step + row + 1)
            for name, optimizer in self._optimizers.items():
                rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
                tf.summary.scalar(f"learning_rate/{name}", rate, step=step)
                if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                    tf.summary.scalar(f"loss_scale/{name}", optimizer.dynamic_scale.value, step=step)
            if self._calls > 1:
                tf.summary.scalar("speed/examples_per_second", self.examples_per_second, step=step)
        self._writer.flush()

    def data_wait(self, step: int, seconds: float) -> None:
        """Writes the seconds that each step of the last call waited for its images."""
        if self._writer is not None:
            with self._writer.as_default(step=step):
                tf.summary.scalar("speed/data_wait_seconds_per_step", seconds)

    def epoch(self, period: Period) -> dict[str, float]:
        """Writes the means over a period that ends now, at the number of its last epoch; returns them."""
        if self._writer is None:
            return {}
        means = self.history.means(period)
        with self._writer.as_default(step=period.last_epoch):
            for name, value in means.items():
                tf.summary.scalar(f"epoch/{name}", value)
        return means

    def validation(self, step: int, accuracy: Accuracy) -> None:
        """Writes the accuracy on held-out images after `step` steps."""
        if self._writer is None:
            return
        self.history.add_validation(step, *accuracy)
        self.scalars(step, {f"validation/accuracy_{k}": v for k, v in accuracy._asdict().items()})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes single values by their names."""
        if self._writer is not None:
            with self._writer.as_default(step=step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)

    def histograms(self, step: int, networks: Networks) -> None:
        """Writes a histogram of every weight of every network, named so that losses come first on a page."""
        if self._writer is None:
            return
        with self._writer.as_default(step=step):
            for name, network in networks.items():
                for weight, variable in zip(weight_names(network), network.variables, strict=True):
                    tf.summary.histogram(f"weights/{name}/{weight}", variable.value)

    def samples(self, step: int, networks: Networks) -> None:
        """Writes the system's picture of what it makes of the same latent vectors each time."""
        if self._writer is None or self.system.generator is None:
            return
        picture = tf.constant(self.system.picture(networks, SAMPLE_SEED, self._real))
        with self._writer.as_default(step=step):
            tf.summary.image("samples", picture[tf.newaxis])
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        (folder / f"step-{step:07d}.png").write_bytes(tf.io.encode_png(picture).numpy())

    def _views(self, real: tf.Tensor) -> None:
        if self._writer is None:
            return
        picture = views_picture(self.system, real, SAMPLE_SEED)
        if picture is None:
            return
        with self._writer.as_default(step=0):
            tf.summary.image("views", picture[np.newaxis])
        (self.folder / VIEWS).write_bytes(tf.io.encode_png(picture).numpy())

    def save_history(self) -> None:
        """Writes the history; before each checkpoint, so that it never ends before one."""
        if self.write:
            self.history.save()

    def close(self) -> None:
        """Closes the event file and draws the curves."""
        if self._writer is None:
            return
        self._writer.close()
        self.history.save()
        if self.history.steps:
            save_curves(self.folder / CURVES, self.history.series(), self._held_out())

    def _held_out(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        steps, values = self.history.validation()
        names = (f"validation/accuracy_{name}" for name in Accuracy._fields)
        return {name: (steps, column) for name, column in zip(names, values.T, strict=True) if len(steps)}


def _tag(name: str) -> str:
    # TensorBoard sorts groups by their names, capitals first
    network, _, kind = name.rpartition("/")
    return f"Loss/{network}" if kind == "loss" else name


def flat_settings(settings: Any) -> dict[str, Any]:
    """Settings as one flat mapping; those of a dataclass within are named with a dot."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            flat |= {f"{field.name}.{key}": inner for key, inner in flat_settings(value).items()}
        else:
            flat[field.name] = value
    return flat
