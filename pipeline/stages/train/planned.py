"""What a training would be, from its settings, the data and the devices; nothing is built or started here."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, UsageError
from pipeline.stages.train.settings import TrainConfig
from ssgan_tf.training.options import LoopOptions

if TYPE_CHECKING:
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.systems.recipe import Recipe, System

SMALL = "small"
# of a few photos, a longer training learns nothing new
PASSES = 150


@dataclass(frozen=True)
class Planned:
    """What would be trained.

    Attributes:
        recipe, settings: the recipe and its settings.
        options: of the loop.
        fewer_steps: whether few images cut the steps.
        other_batches: settings of batches that the replicas could not share, to what they are now and what
            they were to be.
        unused_views: views that were asked for, where the recipe's are of no kind.
    """

    recipe: Recipe
    settings: Any
    options: LoopOptions
    fewer_steps: bool = False
    other_batches: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    unused_views: str | None = None

    def remarks(self, images: int) -> list[str]:
        """What of it nobody asked for, in words.

        Args:
            images: of the training split.
        """
        said = [
            f"{name} is {size}: {wanted} cannot be divided among the replicas"
            for name, (size, wanted) in self.other_batches.items()
        ]
        if self.unused_views:
            said.append(
                f"--views {self.unused_views} changes nothing of recipe {self.recipe.name}, whose random "
                "views, if it has any, are set by recipe.shift and recipe.rotate"
            )
        if self.fewer_steps:
            said.append(
                f"{self.settings.steps} steps: they show each of the {images} training images {PASSES} times "
                "(--steps or --epochs says otherwise)"
            )
        return said


def check_training(
    config: TrainConfig, recipe_settings: Mapping[str, Any], info: DatasetInfo | None = None
) -> Planned:
    """Checks all that can be known before the first step; builds no network and starts no device.

    Where nothing says how large a batch is and how many steps there are, a recipe that classifies takes its
    own numbers; but the preset small, on few images, no batch larger than they are, and no more steps than
    show each of them 150 times. Batches that the replicas cannot share become the nearest ones that they can.

    Args:
        config: strategy, precision, intervals.
        recipe_settings: overrides of the recipe's settings.
        info: the prepared data, where it is there already.

    Raises:
        UsageError: a setting that the recipe or the machine does not allow, or a recipe that classifies and
            data without classes.
        DataError: the training split is empty, or lacks what the recipe needs: labels, a second class.
    """
    from ssgan_tf.recipes import load_recipe
    from ssgan_tf.training.cluster import place_of
    from ssgan_tf.training.epochs import epoch_end
    from ssgan_tf.training.strategy import count_replicas

    recipe = load_recipe(config.recipe)
    chosen = {"steps": config.steps, "batch_size": config.batch_size}
    overrides = {**recipe_settings, **{name: v for name, v in chosen.items() if v is not None}}
    if config.epochs is not None and "steps" in overrides:
        raise UsageError("give either train.epochs or a number of steps, not both.")
    settings = recipe.configure(config.preset, overrides)
    takes_views = "views" in recipe.describe(settings)
    if config.views is not None and takes_views:
        # what is said of one recipe stands before what is said of all
        overrides.setdefault("views", config.views)
    fits = info is not None and config.preset == SMALL and recipe.needs_labels
    fitted = _fitted(settings, _train_split(info)["count"]) if info is not None and fits else {}
    fitted = {name: value for name, value in fitted.items() if name not in overrides}
    if config.epochs is not None:
        fitted.pop("steps", None)
    settings = recipe.configure(config.preset, {**fitted, **overrides})
    processes = place_of(config, os.environ).processes
    replicas = count_replicas(config.strategy, config.replicas, processes)
    settings, other = _shared_batches(recipe, settings, replicas)
    if info is not None and config.epochs is not None:
        steps = epoch_end(config.epochs, _train_split(info)["count"], settings.batch_size)
        settings = recipe.configure("full", {**recipe.describe(settings), "steps": steps})
    given = {field.name: getattr(config, field.name) for field in dataclasses.fields(LoopOptions)}
    options = recipe.loop_options(config.preset, settings)
    options |= {name: value for name, value in given.items() if value is not None}
    loop = LoopOptions(**options | {"steps": settings.steps})
    unused_views = None if takes_views else config.views
    planned = Planned(recipe, settings, loop, "steps" in fitted, other, unused_views)
    if info is not None:
        _check_data(planned, system_of(planned, info), info, replicas)
    return planned


def _fitted(settings: Any, count: int) -> dict[str, int]:
    """What of a recipe's batch and steps is too much for the number of training images."""
    # in eights, which divide among replicas and fill a processor's lanes
    batch = min(settings.batch_size, max(count // 8 * 8, min(count, 8)))
    steps = -(-PASSES * count // batch)
    fitted = {"batch_size": batch} if batch < settings.batch_size else {}
    return fitted | ({"steps": steps} if steps < settings.steps else {})


def in_full(config: TrainConfig, recipe_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what decides the result and is not given: of the preset, the recipe and the loop.

    The number of steps is left None where none is given: it can depend on the data, and the summary of a
    training says what it stands for.

    Raises:
        UsageError: a setting that the recipe does not allow.
    """
    planned = check_training(config, recipe_settings)
    settings = planned.recipe.describe(planned.settings)
    settings.pop("steps")
    return {
        "steps": recipe_settings.get("steps") if config.steps is None else config.steps,
        "batch_size": settings.pop("batch_size"),
        "views": settings.pop("views", None),
        "average_decay": planned.options.average_decay,
        "settings": settings,
    }


def default_steps(config: TrainConfig, recipe_settings: Mapping[str, Any], info: DatasetInfo) -> int:
    """What the number of steps is where neither it nor one of epochs is given."""
    others = {name: value for name, value in recipe_settings.items() if name != "steps"}
    alone = dataclasses.replace(config, steps=None, epochs=None)
    return check_training(alone, others, info).options.steps


def _train_split(info: DatasetInfo) -> dict[str, Any]:
    split = info.splits.get("train", {})
    if not split.get("count"):
        raise DataError(f"the training split of {str(info.folder)!r} holds no image.")
    return split


def _shared_batches(recipe: Recipe, settings: Any, replicas: int) -> tuple[Any, dict[str, tuple[int, int]]]:
    """Rounds settings that are sizes of batches to multiples of the number of replicas."""
    described = recipe.describe(settings)
    other = {}
    for name, wanted in described.items():
        if name.endswith(("batch_size", "_batch")) and wanted % replicas:
            other[f"recipe.{name}"] = (max(1, (2 * wanted + replicas) // (2 * replicas)) * replicas, wanted)
            described[name] = other[f"recipe.{name}"][0]
    return (recipe.configure("full", described) if other else settings), other


def system_of(planned: Planned, info: DatasetInfo, dtype: str = "float32") -> System:
    """The system that would be trained, with a Keras dtype policy; it has no variables yet."""
    from ssgan_tf.systems.recipe import DataSpec

    spec = DataSpec(info.image_shape, info.num_classes)
    return planned.recipe.build(planned.settings, spec, dtype)


def _check_data(planned: Planned, system: System, info: DatasetInfo, replicas: int) -> None:
    from ssgan_tf.errors import NoLabels
    from ssgan_tf.training.batches import check_batch_sizes

    name, data = planned.recipe.name, str(info.folder)
    if planned.recipe.needs_labels and info.num_classes < 2:
        if not info.num_classes:
            raise UsageError(f"recipe {name} classifies, but {data!r} has no classes.")
        raise DataError(
            f"recipe {name} classifies, but {data!r} has one class only: {info.class_names[0]!r}."
        )
    split = _train_split(info)
    streams = system.streams()
    if split.get("labelled") == 0 and any(stream.labelled_only for stream in streams.values()):
        raise NoLabels(
            f"no training image of {data!r} has a label, and recipe {name} trains on labelled images."
        )
    check_batch_sizes(streams, replicas)
