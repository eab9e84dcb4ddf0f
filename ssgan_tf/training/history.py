"""What every step of a run recorded, kept across restarts in one NumPy file.

first_step, names, values [steps, names]      of every step
call_steps, call_seconds                      of every call: the step reached, and how long it took
period_titles, period_ends                    epochs: their names, and the step that each ends with
validation_steps, validation_accuracy [M, 2]  on held-out images: averaged and live weights
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ssgan_tf.training.epochs import Period
from ssgan_tf.whole_files import replacing


class History:
    """Values of every step, and the time of every call.

    Args:
        path: the file, written whole or not at all.
        periods: the run's epochs.
    """

    def __init__(self, path: Path, periods: Sequence[Period] = ()) -> None:
        self.path, self.periods = path, periods
        self.names: list[str] = []
        self._first = 0
        self._values: list[np.ndarray] = []
        self._calls: list[tuple[int, float]] = []
        self._validation: list[tuple[int, tuple[float, float]]] = []

    @property
    def steps(self) -> int:
        """Number of steps held."""
        return sum(map(len, self._values))

    def begin(self, step: int, on_warning: Callable[[str], None] | None = None) -> None:
        """Reads what an earlier process left and forgets what came after `step`, which runs again.

        Args:
            step: where the run goes on. What cannot be read, or does not reach up to it, is left out: the
                history then begins there.
            on_warning: is told of it.
        """
        self._first = step
        if step == 0 or not self.path.exists():
            return
        try:
            with np.load(self.path) as stored:
                first, names, values = int(stored["first_step"]), stored["names"].tolist(), stored["values"]
                ends, seconds = stored["call_steps"].tolist(), stored["call_seconds"].tolist()
                measured = stored["validation_steps"].tolist(), stored["validation_accuracy"].tolist()
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            problem = f"is damaged ({type(error).__name__})"
        else:
            last = first + len(values)
            if first <= step <= last:
                self._first, self.names, self._values = first, names, [values[: step - first]]
                calls = zip(ends, seconds, strict=True)
                self._calls = [(end, time) for end, time in calls if end <= step]
                pairs = zip(*measured, strict=True)
                self._validation = [(at, tuple(values)) for at, values in pairs if at <= step]
                return
            problem = f"holds the steps from {first} to {last} only"
        if on_warning:
            on_warning(
                f"{str(self.path)!r} {problem}: the history begins again at step {step}. The weights do not "
                "depend on it."
            )

    def add(self, names: list[str], values: np.ndarray, seconds: float) -> None:
        """Adds the values float32 [steps, len(names)] of one call that took `seconds`."""
        self.names = list(names)
        self._values.append(values)
        self._calls.append((self._first + self.steps, seconds))

    def add_validation(self, step: int, averaged: float, live: float) -> None:
        """Adds the shares of held-out images classified right after `step` steps."""
        self._validation.append((step, (averaged, live)))

    def series(self) -> dict[str, np.ndarray]:
        """Name to the values float32 [steps] of every step."""
        return dict(zip(self.names, np.concatenate(self._values).T, strict=True))

    def means(self, period: Period) -> dict[str, float]:
        """Name to the mean over the steps of a period, those of them that are held."""
        rows = np.concatenate(self._values)[max(0, period.first - self._first) : period.end - self._first]
        return dict(zip(self.names, rows.mean(0, dtype=np.float64).tolist(), strict=True))

    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps int64 [M], and float64 [M, 2]: accuracies of the averaged and of the live weights."""
        steps, values = zip(*self._validation, strict=True) if self._validation else ((), ())
        return np.array(steps, np.int64), np.array(values, np.float64).reshape(-1, 2)

    def save(self) -> None:
        """Writes the file that is described at the top of this module."""
        if not self._values:
            return
        ends, seconds = zip(*self._calls, strict=True) if self._calls else ((), ())
        over = [period for period in self.periods if period.end <= self._first + self.steps]
        validation_steps, validation_accuracy = self.validation()
        # every few seconds while training: the checkpoints are what must survive a power cut
        with replacing(self.path, durable=False) as partial, partial.open("wb") as file:
            np.savez(
                file,
                first_step=self._first,
                names=np.array(self.names),
                values=np.concatenate(self._values),
                call_steps=np.array(ends, np.int64),
                call_seconds=np.array(seconds, np.float64),
                period_titles=np.array([period.title for period in over], np.str_),
                period_ends=np.array([period.end for period in over], np.int64),
                validation_steps=validation_steps,
                validation_accuracy=validation_accuracy,
            )
