"""What `--recipes` names: recipes, and variants, which are recipes under settings of their own.

names, variants = parse_recipes("few-labels,without-guesses=few-labels")
names           # ("few-labels", "without-guesses")
variants        # {"without-guesses": "few-labels"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.chain.config import command_line
from pipeline.chain.stages import STAGES
from pipeline.errors import UsageError, did_you_mean, unknown
from ssgan_tf.recipes import load_recipe, recipe_names

LONGEST = 40
# a name becomes a part of names of files and folders
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST - 1}}}")
SECTIONS = (*(stage.section for stage in STAGES), "recipe", "benchmark", "seed", "draws", "baseline")
"""What `--set` begins with where it is of no recipe or variant."""


def is_name(name: Any) -> bool:
    """Whether something may be a variant's name, whatever recipes and settings there are."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def parse_recipes(
    text: str, known: Mapping[str, str] | None = None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Reads a list of recipes and of variants NAME=RECIPE, with commas between.

    Args:
        text: the list.
        known: variants that the benchmark has already, name to recipe: their names alone will do.

    Returns:
        All names in their order, and of those that are variants the recipe.

    Raises:
        UsageError: an unknown recipe, one that cannot be compared, or a name that a variant may not have.
    """
    names: list[str] = []
    variants: dict[str, str] = {}
    known = known or {}
    for part in text.split(","):
        name, equals, recipe = (piece.strip() for piece in part.partition("="))
        if equals:
            _check_name(name)
        elif name in known:
            recipe = known[name]
        if equals or name in known:
            variants[name] = recipe
        _check_recipe(recipe if name in variants else name, known)
        # some file systems do not tell A from a
        if name.lower() in (other.lower() for other in names):
            kind = "variant" if name in variants else "recipe"
            raise UsageError(f"--recipes names a {kind} twice: {name!r} in {text!r}.")
        names.append(name)
    return tuple(names), variants


def _check_name(name: str) -> None:
    if not is_name(name):
        raise UsageError(
            f"--recipes: a variant's name is at most {LONGEST} letters, digits, '-' and '_', the first a "
            f"letter or a digit; got {name!r}. A variant is NAME=RECIPE, such as narrow=ssgan."
        )
    if name.lower() in recipe_names():
        raise UsageError(
            f"--recipes: {name!r} is a recipe's own name and cannot name a variant. Call it {name}-2, say."
        )
    if name.lower() in SECTIONS:
        raise UsageError(
            f"--recipes: {name!r} cannot name a variant, because --set {name} means settings of all cells. "
            f"Call it {name}-2, say."
        )


def _check_recipe(name: str, known: Iterable[str]) -> None:
    classifying = [other for other in recipe_names() if load_recipe(other).semi_supervised]
    if name not in recipe_names():
        error = unknown("recipe", name, [*classifying, *known])
        raise UsageError(f"{error} A variant is NAME=RECIPE.")
    if name not in classifying:
        why = (
            "is the paired baseline, which every recipe is compared with anyway"
            if load_recipe(name).needs_labels
            else "is unsupervised: it has no test error"
        )
        raise UsageError(f"recipe {name!r} {why}. A benchmark compares {', '.join(classifying)}.")


def own_apart(
    overrides: Sequence[str], names: Sequence[str], variants: Mapping[str, str]
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Parts the settings of all cells from those of one recipe or variant.

    Args:
        overrides: texts section.key=value, and NAME.key=value.
        names: of the benchmark's recipes and variants.
        variants: name to recipe; a variant's recipe may have settings though it is no row itself.

    Returns:
        The texts of all cells, and name to the settings that it alone has.

    Raises:
        UsageError: a setting of nothing that there is.
    """
    allowed = list(dict.fromkeys([*names, *variants.values()]))
    shared: list[str] = []
    own: dict[str, dict[str, Any]] = {}
    for text in overrides:
        key = text.partition("=")[0].strip()
        section, dot, _ = key.partition(".")
        if not dot or section in SECTIONS:
            shared.append(text)
            continue
        if section not in allowed:
            nearest = did_you_mean(section, [*allowed, *SECTIONS])
            what = "recipe" if section in recipe_names() else "recipe or variant"
            raise UsageError(f"--set {text}: this benchmark has no {what} {section!r}.{nearest}")
        rest = text.strip().removeprefix(f"{section}.")
        own.setdefault(section, {}).update(command_line([f"recipe.{rest}"], {})["recipe"])
    return shared, own


def in_words(recipe: str, own: Mapping[str, Any]) -> str:
    """What a variant is, such as "few-labels with recipe.guesses=0"."""
    said = [f"{'train' if name == 'preset' else 'recipe'}.{name}={value}" for name, value in own.items()]
    return f"{recipe} with {', '.join(said)}"
