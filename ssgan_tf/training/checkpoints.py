"""Checkpoints: everything that decides the rest of a run, verified when written, the newest few kept.

A checkpoint holds the weights of all networks, their averages, both optimizers (with their loss scales)
and the step. The order of the data needs no state: it is a function of seed and step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssgan_tf.errors import DataError


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are kept; created when the first is saved.
        variables: stable name to variable.
        keep: how many of the newest are kept.
        write: False on workers that must not write.
    """

    def __init__(
        self, folder: Path, variables: Mapping[str, tf.Variable], keep: int = 3, write: bool = True
    ) -> None:
        self.folder, self.variables, self.write = Path(folder), dict(variables), write
        self._checkpoint = tf.train.Checkpoint(**self.variables)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder), max_to_keep=keep, checkpoint_name="step"
        )

    def save(self, step: int) -> Path:
        """Saves and reads back, so that a damaged write is seen now and not at the restart.

        Raises:
            DataError: it cannot be written, or what was read back differs from what was to be.
        """
        path = self.folder / f"step-{step}"
        if not self.write:
            return path
        path = Path(self._manager.save(checkpoint_number=step))
        reader = tf.train.load_checkpoint(str(path))
        for name, variable in self.variables.items():
            stored = reader.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
            if not np.array_equal(stored, variable.numpy(), equal_nan=True):
                raise DataError(f"checkpoint {str(path)!r} was not written whole ({name} differs).")
        return path

    @property
    def latest(self) -> Path | None:
        """The newest checkpoint's prefix, or None."""
        return latest_checkpoint(self.folder)

    def restore(self, path: Path | None = None) -> bool:
        """Restores the newest checkpoint (or `path`); False if there is none.

        Raises:
            DataError: it is damaged, or holds other variables than this run has.
        """
        path = path or self.latest
        if path is None:
            return False
        check_variables(path, {name: tuple(v.shape) for name, v in self.variables.items()})
        try:
            self._checkpoint.restore(str(path)).assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError) as error:
            raise DataError(f"checkpoint {str(path)!r} is damaged: {error}") from None
        return True


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint prefix below `folder`, wherever the folder has been moved to."""
    state = tf.train.get_checkpoint_state(str(folder))
    if state is None or not state.model_checkpoint_path:
        return None
    path = Path(folder) / Path(state.model_checkpoint_path).name
    return path if path.with_name(path.name + ".index").exists() else None


def check_variables(path: Path, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Checks that a checkpoint holds the expected variables.

    Raises:
        DataError: it is unreadable, or a variable is missing or has another shape: it was written by
            another recipe or with other settings.
    """
    try:
        stored = {name: tuple(shape) for name, shape in tf.train.list_variables(str(path))}
    except (tf.errors.OpError, ValueError) as error:
        raise DataError(f"checkpoint {str(path)!r} is damaged: {error}") from None
    for name, shape in expected.items():
        found = stored.get(f"{name}/.ATTRIBUTES/VARIABLE_VALUE")
        if found != shape:
            what = f"has shape {list(found)}" if found is not None else "is missing"
            raise DataError(
                f"checkpoint {str(path)!r} is of another recipe or of other settings: variable "
                f"{name!r} {what}, this system has {list(shape)}."
            )


def read_variables(path: Path, variables: Mapping[str, tf.Variable]) -> None:
    """Assigns the named variables from a checkpoint, and nothing else of it.

    Raises:
        DataError: see `check_variables`.
    """
    check_variables(path, {name: tuple(v.shape) for name, v in variables.items()})
    reader = tf.train.load_checkpoint(str(path))
    for name, variable in variables.items():
        try:
            variable.assign(reader.get_tensor(f"{name}/.ATTRIBUTES/VARIABLE_VALUE"))
        except tf.errors.OpError as error:
            raise DataError(f"checkpoint {str(path)!r} is damaged: {error}") from None


def network_variables(prefix: str, networks: Mapping) -> dict[str, tf.Variable]:
    """Stable names for the variables of networks: PREFIX-NETWORK-NUMBER-KIND.

    Keras's own names count the layers made in the process so far; these do not.
    """
    return {
        f"{prefix}-{name}-{number:03d}-{variable.name}": variable.value
        for name, network in networks.items()
        for number, variable in enumerate(network.variables)
    }


def optimizer_variables(optimizers: Mapping) -> dict[str, tf.Variable]:
    """Stable names for the variables of optimizers: optimizer-NETWORK-NUMBER, in creation order."""
    return {
        f"optimizer-{name}-{number:03d}": variable.value
        for name, optimizer in optimizers.items()
        for number, variable in enumerate(optimizer.variables)
    }
