"""The catalogue of systems: each file of this package that defines `RECIPE` is one.

    recipe = load_recipe("ssgan")

A new system is a new file here, and no other file changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from ssgan_tf.errors import unknown

if TYPE_CHECKING:
    from ssgan_tf.systems.recipe import Recipe


def recipe_names() -> list[str]:
    """Lists the names of all recipes, from the file names alone (imports nothing)."""
    files = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in files if name != "recipe")


def check_name(name: str) -> None:
    """Checks that there is a recipe of a name.

    Raises:
        UsageError: there is none; lists the valid ones and the nearest.
    """
    if name not in recipe_names():
        raise unknown("recipe", name, recipe_names())


def load_recipe(name: str) -> Recipe:
    """Imports a recipe by its name.

    Raises:
        UsageError: there is none of that name; lists the valid ones and the nearest.
    """
    check_name(name)
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}").RECIPE
