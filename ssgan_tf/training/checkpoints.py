"""Checkpoints: everything that decides the rest of a run, verified when written, the newest few kept.

A checkpoint holds the weights of all networks, their averages, both optimizers (with their loss scales)
and the step. The order of the data needs no state: it is a function of seed and step. A run goes on from
the newest checkpoint that can be read whole; nothing is deleted before a newer one is whole.

    step-40.index, step-40.data-00000-of-00001    values, each with a checksum
    checkpoint                                    names the newest, for other programs; not read here
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssgan_tf.errors import DataError
from ssgan_tf.whole_files import write_whole

STATE = "checkpoint"
# files of a checkpoint, and what an interrupted write leaves: step-40_temp, step-40.index.tempstate123
_FILE = re.compile(r"step-(\d+)([._].*)")
_WHOLE = re.compile(r"\.(index|data-\d{5}-of-\d{5})")


class DamagedCheckpoint(DataError):
    """A checkpoint lacks a file, is cut off, or a checksum does not fit."""


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
        self.folder, self.variables, self.keep, self.write = Path(folder), dict(variables), keep, write
        self._checkpoint = tf.train.Checkpoint(**self.variables)
        self._damaged: dict[int, str] = {}

    def save(self, step: int) -> Path:
        """Saves and reads back, so that a damaged write is seen now and not at the restart.

        Raises:
            DataError: it cannot be written, or what was read back differs from what was to be.
        """
        path = self.folder / f"step-{step}"
        if not self.write:
            return path
        try:
            self._checkpoint.write(str(path))
        except tf.errors.OpError:
            shutil.rmtree(f"{path}_temp", ignore_errors=True)
            raise
        stored = read_values(path)
        for name, variable in self.variables.items():
            if not np.array_equal(stored[name], variable.numpy(), equal_nan=True):
                raise DataError(f"checkpoint {str(path)!r} was not written whole ({name} differs).")
        self._damaged.pop(step, None)
        self.tidy(step)
        self._name_newest(path.name)
        return path

    def _name_newest(self, name: str) -> None:
        # TensorFlow's own format, for `tf.train.latest_checkpoint` and TensorBoard
        text = f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
        write_whole(self.folder / STATE, text)

    def tidy(self, step: int) -> None:
        """Removes what is older than the newest few up to `step`, damaged or left by interrupted writes."""
        if not self.write:
            return
        whole = [number for number in self._readable() if number <= step]
        kept = set(whole[-self.keep :])
        for path in sorted(self.folder.glob("step-*")):
            match = _FILE.fullmatch(path.name)
            if match is None or int(match[1]) > step:
                continue
            if int(match[1]) in kept and _WHOLE.fullmatch(match[2]):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _readable(self) -> list[int]:
        return [number for number in checkpoint_steps(self.folder) if number not in self._damaged]

    @property
    def latest(self) -> Path | None:
        """The newest checkpoint that is not known to be damaged, as its files' common beginning, or None."""
        steps = self._readable()
        return self.folder / f"step-{steps[-1]}" if steps else None

    def restore(self, on_warning: Callable[[str], None] | None = None) -> bool:
        """Restores the newest checkpoint that can be read whole; False if none was ever written whole.

        Args:
            on_warning: is told which damaged ones were passed over.

        Raises:
            DataError: all are damaged, or the newest whole one holds other variables than this run has.
        """
        steps = checkpoint_steps(self.folder)
        for step in reversed(steps):
            path = self.folder / f"step-{step}"
            try:
                read_variables(path, self.variables)
            except DamagedCheckpoint as error:
                self._damaged[step] = str(error)
                continue
            if self._damaged and on_warning:
                on_warning(f"{' '.join(self._damaged.values())} Training goes on from step {step}.")
            return True
        never_finished = not (self.folder / STATE).exists() and not any(self.folder.glob("step-*.index"))
        if not steps or never_finished:
            return False
        raise DataError(
            f"no checkpoint in {str(self.folder)!r} is whole: {' '.join(self._damaged.values())} Nothing was "
            "deleted; remove the folder to train from the start."
        )


def checkpoint_steps(folder: Path) -> list[int]:
    """Steps of which any file of a checkpoint lies in `folder`, from the oldest on."""
    found = (_FILE.fullmatch(path.name) for path in Path(folder).glob("step-*"))
    return sorted({int(match[1]) for match in found if match and _WHOLE.fullmatch(match[2])})


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint in `folder`, whole or not, as its files' common beginning."""
    steps = checkpoint_steps(folder)
    return Path(folder) / f"step-{steps[-1]}" if steps else None


def read_values(path: Path) -> dict[str, np.ndarray]:
    """Reads everything that a checkpoint holds, by the variables' stable names.

    Raises:
        DamagedCheckpoint: it lacks a file, is cut off, or a checksum does not fit.
    """
    try:
        reader = tf.train.load_checkpoint(str(path))
        # every value: its checksum is looked at when it is read
        return {
            name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
        }
    except (tf.errors.OpError, ValueError, RuntimeError, LookupError, OSError) as error:
        # the reader turns TensorFlow's status codes into all of these
        reason = str(getattr(error, "message", None) or error).splitlines()[0].removesuffix(".")
        raise DamagedCheckpoint(f"checkpoint {str(path)!r} is damaged: {reason}.") from None


def read_variables(path: Path, variables: Mapping[str, tf.Variable]) -> None:
    """Assigns the named variables from a checkpoint: all of them or none.

    Raises:
        DamagedCheckpoint: see `read_values`.
        DataError: a variable is missing or has another shape: the checkpoint was written by another recipe
            or with other settings.
    """
    stored = read_values(path)
    for name, variable in variables.items():
        found, shape = stored.get(name), tuple(variable.shape)
        if found is None or np.shape(found) != shape:
            what = f"has shape {list(found.shape)}" if found is not None else "is missing"
            raise DataError(
                f"checkpoint {str(path)!r} is of another recipe or of other settings: variable "
                f"{name!r} {what}, this system has {list(shape)}."
            )
    for name, variable in variables.items():
        variable.assign(stored[name])


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
