"""What TensorBoard shows of a run: losses of every step, weight histograms, sample grids, speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssgan_tf.recipes.recipe import Networks, System

GRID = 5
SAMPLE_SEED = 20161112


class Summaries:
    """Writes event files to `folder/events` and sample grids to `folder/samples` too.

    Args:
        folder: the run's folder.
        system: gives the generator's fixed latent vectors and the batch sizes.
        write: False writes nothing.
    """

    def __init__(self, folder: Path, system: System, write: bool = True) -> None:
        self.folder, self.system, self.write = Path(folder), system, write
        self.examples_per_second = 0.0
        self._examples = sum(stream.batch_size for stream in system.streams().values())
        self._writer: tf.summary.SummaryWriter | None = None
        self._seconds_per_step = 0.0
        self._calls = 0

    def begin(self, networks: Networks, step: int) -> None:
        """Opens the event file; a new run gets its settings as text, and histograms at step 0."""
        if not self.write:
            return
        self._writer = tf.summary.create_file_writer(str(self.folder / "events"))
        if step == 0:
            with self._writer.as_default(step=0):
                settings = vars(self.system.settings)
                rows = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
                tf.summary.text("configuration", f"| setting | value |\n|---|---|\n{rows}")
            self.histograms(0, networks)

    @contextmanager
    def timed(self, count: int) -> Iterator[None]:
        """Times a call of `count` steps; the first call, which traces, does not count."""
        start = time.perf_counter()
        yield
        self._seconds_per_step = (time.perf_counter() - start) / count
        self._calls += 1
        if self._calls > 1:
            self.examples_per_second = self._examples / self._seconds_per_step

    def losses(self, first_step: int, names: list[str], history: np.ndarray) -> None:
        """Writes the values float32 [steps, len(names)] of the steps after `first_step`."""
        if self._writer is None:
            return
        with self._writer.as_default():
            for row, values in enumerate(history):
                for name, value in zip(names, values, strict=True):
                    tf.summary.scalar(name, value, step=first_step + row + 1)
            if self._calls > 1:
                step = first_step + len(history)
                tf.summary.scalar("speed/examples_per_second", self.examples_per_second, step=step)
        self._writer.flush()

    def data_wait(self, step: int, seconds: float) -> None:
        """Writes the seconds that each step of the last call waited for its images."""
        if self._writer is not None:
            with self._writer.as_default(step=step):
                tf.summary.scalar("speed/data_wait_seconds_per_step", seconds)

    def histograms(self, step: int, networks: Networks) -> None:
        """Writes a histogram of every weight of every network."""
        if self._writer is None:
            return
        with self._writer.as_default(step=step):
            for name, network in networks.items():
                for number, variable in enumerate(network.variables):
                    tf.summary.histogram(f"{name}/{number:03d}_{variable.name}", variable.value)

    def samples(self, step: int, networks: Networks) -> None:
        """Writes a grid of images from the same latent vectors each time."""
        if self._writer is None or self.system.generator is None:
            return
        grid = sample_grid(self.system, networks)
        with self._writer.as_default(step=step):
            tf.summary.image("samples", grid[tf.newaxis])
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        (folder / f"step-{step:07d}.png").write_bytes(tf.io.encode_png(grid).numpy())

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()


def sample_grid(system: System, networks: Networks, side: int = GRID) -> tf.Tensor:
    """Generates a square grid of samples, uint8 [side * H, side * W, C], from fixed latent vectors."""
    images = system.generate(networks, system.latent(side * side, SAMPLE_SEED))
    _, height, width, channels = images.shape
    rows = tf.reshape(images, [side, side, height, width, channels])
    return tf.reshape(tf.transpose(rows, [0, 2, 1, 3, 4]), [side * height, side * width, channels])
