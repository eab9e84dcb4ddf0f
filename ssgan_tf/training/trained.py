"""A trained system on disk: `training.json` beside the checkpoints, and how to load it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ssgan_tf.errors import DataError
from ssgan_tf.file_names import CHECKPOINTS, TRAINING
from ssgan_tf.framing import Framing
from ssgan_tf.recipes import load_recipe
from ssgan_tf.records import DatasetInfo
from ssgan_tf.systems.recipe import DataSpec, Networks, System
from ssgan_tf.training.checkpoints import latest_checkpoint, network_variables, read_variables
from ssgan_tf.whole_files import write_whole


@dataclass(frozen=True)
class TrainingRecord:
    """What was trained: enough to build the system again.

    Attributes:
        settings: the recipe's settings as plain values.
        image_shape: record images (H, W, C).
        framing: how files became record images.
        dtype: Keras dtype policy.
        seed: seed of weights, order and noise.
        loop: settings of the loop, for the reader.
    """

    recipe: str
    settings: dict[str, Any]
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    dtype: str
    seed: int
    loop: dict[str, Any]
    framing: Framing = field(default_factory=Framing)

    def save(self, folder: Path) -> None:
        """Writes `folder/training.json`."""
        write_whole(folder / TRAINING, json.dumps(asdict(self), indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path) -> TrainingRecord:
        """Reads `folder/training.json`.

        Raises:
            DataError: it is missing or not of this form.
        """
        path = Path(folder) / TRAINING
        try:
            document = json.loads(path.read_text())
            return cls(
                **{
                    **document,
                    "image_shape": tuple(document["image_shape"]),
                    "class_names": tuple(document["class_names"]),
                    "framing": Framing(**document["framing"]),
                }
            )
        except FileNotFoundError:
            raise DataError(f"{str(folder)!r} holds no {TRAINING}: it is not a trained model.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{str(path)!r} is not a training record: {error}.") from None

    def build(self) -> System:
        """Builds the system; no variables yet."""
        recipe = load_recipe(self.recipe)
        settings = recipe.configure("full", self.settings)
        return recipe.build(settings, DataSpec(self.image_shape, len(self.class_names)), self.dtype)


@dataclass(frozen=True)
class Trained:
    """A loaded system with its averaged networks."""

    record: TrainingRecord
    system: System
    networks: Networks
    step: int


def load_trained(folder: Path, data: DatasetInfo | None = None) -> Trained:
    """Loads the averaged networks of the newest checkpoint below `folder`.

    Args:
        folder: of the trained model.
        data: prepared data that it is to be used with.

    Raises:
        DataError: no record, no checkpoint, a damaged one, one of another recipe, or one trained on
            images or classes other than those of `data`.
    """
    record = TrainingRecord.load(folder)
    if data and (record.image_shape, record.class_names) != (data.image_shape, data.class_names):
        raise DataError(
            f"{str(folder)!r} was trained on images {list(record.image_shape)} with "
            f"{len(record.class_names)} classes; {str(data.folder)!r} has {list(data.image_shape)} "
            f"with {data.num_classes}."
        )
    if data and record.framing != data.framing:
        raise DataError(
            f"{str(folder)!r} was trained on images made by resize={record.framing.resize} with background "
            f"{record.framing.background}; those of {str(data.folder)!r} were made by "
            f"resize={data.framing.resize} with background {data.framing.background}."
        )
    system = record.build()
    networks = system.build_networks()
    path = latest_checkpoint(Path(folder) / CHECKPOINTS)
    if path is None:
        raise DataError(f"{str(folder)!r} holds no checkpoint.")
    read_variables(path, network_variables("average", networks))
    return Trained(record, system, networks, int(path.name.rpartition("-")[2]))
