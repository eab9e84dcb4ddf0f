"""What a run looks out for: numbers that are not finite, a full disk, and signs of collapse.

A GAN can stop learning although every number is finite; each sign of it is said once a run.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssgan_tf.errors import DataError, TrainingDiverged

COLLAPSED_SHARE = 0.05
SATURATED_LOSS = 1e-4


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turns TensorFlow's errors about files that cannot be written into one message.

    Raises:
        DataError: the disk is full, read-only or not ours.
    """
    try:
        yield
    except tf.errors.OpError as error:
        codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
        reason = next((os.strerror(code) for code in codes if os.strerror(code) in error.message), None)
        if reason is None:
            raise
        raise DataError(f"cannot write to {str(folder)!r}: {reason}.") from None


def check_losses(first: int, names: Sequence[str], history: np.ndarray, kept: Path | None) -> None:
    """Checks the values float32 [steps, len(names)] of the steps from `first` on.

    Args:
        kept: the last good checkpoint, for the message.

    Raises:
        TrainingDiverged: one is not finite; names the first step and term.
    """
    if np.all(np.isfinite(history)):
        return
    row, column = np.argwhere(~np.isfinite(history))[0]
    what = "NaN" if np.isnan(history[row, column]) else "infinite"
    raise TrainingDiverged(
        f"training diverged: {names[column]} is {what} at step {first + int(row)}. {_what_remains(kept)}"
    )


def check_variables_finite(step: int, variables: Mapping[str, tf.Variable], kept: Path | None) -> None:
    """Checks everything that a checkpoint is about to hold.

    Raises:
        TrainingDiverged: a value is not finite; names the variable.
    """
    for name, variable in variables.items():
        if variable.dtype.is_floating and not np.all(np.isfinite(variable.numpy())):
            raise TrainingDiverged(
                f"training diverged: {name} is not finite at step {step}. {_what_remains(kept)}"
            )


def _what_remains(kept: Path | None) -> str:
    found = f"The last good checkpoint is kept: {kept}." if kept else "No checkpoint was written yet."
    return f"{found} A lower recipe.learning_rate or train.precision=float32 may help."


class CollapseGuard:
    """Warns when the generator makes one image only, or the discriminator has nothing left to learn.

    Args:
        warn: is given one line of text; None: nobody listens.
    """

    def __init__(self, warn: Callable[[str], None] | None) -> None:
        self._warn = warn
        self._said: set[str] = set()

    def generated(self, step: int, samples: np.ndarray, real: np.ndarray) -> None:
        """Compares how much generated images vary with how much training images do.

        Args:
            step: the step reached.
            samples: generated images [N, ...], of any scale that `real` shares.
            real: training images [M, ...].
        """
        made, wanted = (float(np.std(x, axis=0).mean()) for x in (samples, real))
        if wanted > 0 and made < COLLAPSED_SHARE * wanted:
            self._say(
                "generator",
                f"at step {step} the generated images are nearly one image (they vary {made / wanted:.1%} "
                "as much as the training images): the generator has collapsed.",
            )

    def losses(self, step: int, names: Sequence[str], history: np.ndarray) -> None:
        """Looks at the discriminator's loss over the steps float32 [steps, len(names)] of a call."""
        if "discriminator/loss" not in names or "generator/loss" not in names:
            return
        if float(history[:, names.index("discriminator/loss")].max()) < SATURATED_LOSS:
            self._say(
                "discriminator",
                f"at step {step} the discriminator's loss is below {SATURATED_LOSS:g}: it tells real from "
                "generated images without doubt, and the generator learns little from it.",
            )

    def _say(self, key: str, text: str) -> None:
        if self._warn and key not in self._said:
            self._said.add(key)
            self._warn(text)
