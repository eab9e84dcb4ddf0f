"""Whether a recipe that learns from labels is given any, told before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import DataError, UsageError

if TYPE_CHECKING:
    from pipeline.sources.source import Source
    from ssgan_tf.systems.recipe import Recipe


def check_labels(source: Source, named: str, recipe: Recipe) -> None:
    """Checks that a source has classes where the recipe wants some.

    Args:
        source: the data set.
        named: what `--dataset` says.
        recipe: what will be trained on it.

    Raises:
        DataError: it has none; says how to give labels, and which recipes want none.
    """
    if not recipe.needs_labels or source.class_names():
        return
    raise DataError(
        f"the data set {named!r} has no labels, and recipe {recipe.name} learns from some.\n"
        + "".join(f"- {way}\n" for way in source.ways_to_label())
        + f"- Or train without labels: --recipe {' or '.join(f'{name}' for name in _without_labels())}."
    )


def _without_labels() -> list[str]:
    """Names of the recipes that train on images and look at no label."""
    from ssgan_tf.recipes import load_recipe, recipe_names
    from ssgan_tf.systems.recipe import DataSpec

    found = []
    for recipe in map(load_recipe, recipe_names()):
        try:
            recipe.build(recipe.configure("full", {}), DataSpec((28, 28, 1), 0))
        except UsageError:
            # not for images
            continue
        if not recipe.needs_labels:
            found.append(recipe.name)
    return found
