"""What a benchmark was asked for, kept in its folder, so that the same command goes on with it.

asked = settle(root, given, overrides=["improved-gan.steps=30000"], options={"data.dataset": "mnist"})
asked.config("improved-gan", 10)          # the configuration of `ganpipe run` for its cells
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.benchmark.settings import BenchmarkConfig
from pipeline.chain.config import (
    LARGEST_SEED,
    RunConfig,
    as_document,
    command_line,
    flat,
    get_setting,
    give_way,
    layered,
    read_settings,
)
from pipeline.chain.ownership import MARK, is_working_folder
from pipeline.chain.yaml_numbers import yaml_text
from pipeline.errors import UsageError, did_you_mean
from pipeline.workspace import LOG, Workspace
from ssgan_tf.declare import build
from ssgan_tf.errors import unknown
from ssgan_tf.recipes import load_recipe, recipe_names
from ssgan_tf.whole_files import write_whole

FILE = "benchmark.yaml"
_HEADER = f"{MARK}: what this benchmark was asked for. The same command goes on with it.\n"
# generated images are not compared: their judge trains for longer than a small recipe
_DEFAULTS = {"evaluate": {"samples": 0}}
# what a benchmark itself decides for each cell
_OF_A_CELL = ("seed", "draws", "train.recipe", "data.labels_per_class", "data.labeled_rate")
_OTHER_DRAWS = ("data.labeled_rate", "data.labelled_keys", "data.labels_per_class")


@dataclass(frozen=True)
class Asked:
    """A benchmark.

    Attributes:
        recipes: names, in the order of the table.
        budgets: labels a class, ascending; empty: to be chosen from what is there.
        draws: of each budget.
        first_seed: of the first draw.
        settings: those of all cells, as nested mappings.
        own: recipe to the settings that it alone has, by their names; "preset" is one.
        curve: whether a learning curve is fitted.
    """

    recipes: tuple[str, ...]
    budgets: tuple[int, ...]
    draws: int
    first_seed: int
    settings: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curve: bool = False

    @property
    def seeds(self) -> range:
        """Seeds of the draws."""
        return range(self.first_seed, self.first_seed + self.draws)

    def config(self, recipe: str, budget: int | str) -> RunConfig:
        """The configuration of a run with one recipe and budget over all draws."""
        own = dict(self.own.get(recipe, {}))
        train = {"recipe": recipe, **({"preset": own.pop("preset")} if "preset" in own else {})}
        cell = {"seed": self.first_seed, "draws": self.draws, "data": {"labels_per_class": budget}}
        return layered(self.settings, {**cell, "train": train, "recipe": own})

    def agreed(self) -> Asked:
        """The same, for processes that cannot ask whether the classes are as they should be."""
        data = {**self.settings["data"], "yes": True}
        return dataclasses.replace(self, settings={**self.settings, "data": data})

    def changed(self) -> list[str]:
        """The settings that are not the defaults, such as "train.steps=500"."""
        usual = flat(as_document(layered(_DEFAULTS)))
        shared = [
            f"{name}={value}" for name, value in flat(self.settings).items() if usual.get(name) != value
        ]
        alone = [
            f"{recipe}.{name}={value}" for recipe, own in self.own.items() for name, value in own.items()
        ]
        return shared + alone

    def save(self, root: Path) -> None:
        """Writes it into the benchmark's folder."""
        write_whole(root / FILE, _HEADER + yaml_text(_plain(dataclasses.asdict(self))))

    @classmethod
    def load(cls, root: Path) -> Asked | None:
        """Reads what the folder was asked for last; None where it holds no benchmark.

        Raises:
            UsageError: the file is not as it was written.
        """
        file = root / FILE
        if not file.is_file():
            return None
        try:
            document = dict(read_settings(file))
            document["recipes"], document["budgets"] = tuple(document["recipes"]), tuple(document["budgets"])
            return cls(**document)
        except (KeyError, TypeError):
            raise UsageError(f"{str(file)!r} is not as ganpipe wrote it. Give another --workdir.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def check_folder(workspace: Workspace) -> None:
    """Checks that a folder is new, empty or holds a benchmark.

    Raises:
        UsageError: it holds something else.
    """
    root = workspace.root
    if not root.is_dir() or (root / FILE).is_file():
        return
    foreign = sorted(p.name for p in root.iterdir() if not p.name.startswith(".") and p.name != LOG)
    if is_working_folder(workspace):
        raise UsageError(
            f"{str(root)!r} is the working folder of a run; a benchmark wants one of its own. Give another "
            "--workdir."
        )
    if foreign and foreign != ["lost+found"]:
        raise UsageError(
            f"{str(root)!r} holds {', '.join(map(repr, foreign[:3]))} and no {FILE} that ganpipe wrote. "
            "Nothing was written. Give --workdir a folder of its own, new or empty."
        )


def settle(
    root: Path,
    given: Mapping[str, Any],
    *,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Asked:
    """What a command asks for: defaults, then a file or what the folder was asked for, then the command line.

    Args:
        root: the benchmark's folder.
        given: options of the benchmark, by their names in `BenchmarkConfig`.
        file: YAML file of settings of a run.
        overrides: texts section.key=value, and RECIPE.key=value for one recipe alone.
        options: dotted settings of a run to values.

    Raises:
        UsageError: an unknown recipe or setting, one that does not go with a benchmark, or another benchmark
            than the one that the folder holds.
    """
    before = Asked.load(root)
    chosen = build(BenchmarkConfig, given, "benchmark")
    recipes = _recipes(chosen.recipes) if "recipes" in given or not before else before.recipes
    named = chosen.labels_per_class
    budgets = (
        tuple(sorted(int(part) for part in named.split(","))) if named else before.budgets if before else ()
    )
    shared, own = _apart(overrides, recipes)
    above = command_line(shared, options or {})
    for name in _OTHER_DRAWS:
        if get_setting(above, name) is not None:
            raise UsageError(f"{name} does not go with a benchmark, which draws by --labels-per-class.")
    below = dict(read_settings(file)) if file else dict(before.settings) if before else {}
    give_way(below, above)
    settings = as_document(layered(_DEFAULTS, below, above))
    for name in _OF_A_CELL:
        _remove(settings, name)
    asked = Asked(
        recipes=recipes,
        budgets=budgets,
        draws=chosen.draws if "draws" in given or not before else before.draws,
        first_seed=chosen.first_seed if "first_seed" in given or not before else before.first_seed,
        settings=settings,
        own={**(before.own if before else {}), **own},
        curve=chosen.curve or bool(before and before.curve),
    )
    if asked.seeds[-1] > LARGEST_SEED:
        raise UsageError(f"draw i uses first_seed + i, which may be {LARGEST_SEED} at most.")
    if not asked.budgets and not asked.curve:
        raise UsageError(
            "name the label budgets, for example --labels-per-class 2,5,10, or say --curve, which chooses "
            "them."
        )
    if before:
        _check_same(before, asked, root)
    for recipe in recipes:
        _check_recipe(asked, recipe)
    return asked


def _recipes(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    classifying = [name for name in recipe_names() if load_recipe(name).semi_supervised]
    for name in names:
        if name not in recipe_names():
            raise unknown("recipe", name, classifying)
        if name not in classifying:
            why = (
                "is the paired baseline, which every recipe is compared with anyway"
                if load_recipe(name).needs_labels
                else "is unsupervised: it has no test error"
            )
            raise UsageError(f"recipe {name!r} {why}. A benchmark compares {', '.join(classifying)}.")
    if len(set(names)) < len(names):
        raise UsageError(f"--recipes names a recipe twice: {text!r}.")
    return tuple(names)


def _apart(overrides: Sequence[str], recipes: Sequence[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Parts the settings of all cells from those of one recipe."""
    shared: list[str] = []
    own: dict[str, dict[str, Any]] = {}
    for text in overrides:
        section, dot, rest = text.partition(".")
        if not dot or section not in recipe_names():
            shared.append(text)
            continue
        if section not in recipes:
            raise UsageError(
                f"--set {text}: this benchmark has no recipe {section!r}.{did_you_mean(section, recipes)}"
            )
        own.setdefault(section, {}).update(command_line([f"recipe.{rest}"], {})["recipe"])
    return shared, own


def _remove(document: dict[str, Any], dotted: str) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        document = document[section]
    document.pop(last, None)


def _check_recipe(asked: Asked, recipe: str) -> None:
    from pipeline.chain.plan import chosen_model

    try:
        chosen_model(asked.config(recipe, asked.budgets[0] if asked.budgets else "all"))
    except UsageError as error:
        raise UsageError(f"recipe {recipe}: {error}") from None


def _check_same(before: Asked, asked: Asked, root: Path) -> None:
    """A benchmark may get more recipes, budgets and draws; what it has must stay comparable.

    Raises:
        UsageError: says what differs.
    """
    old, new = flat(before.settings), flat(asked.settings)
    differ = [
        f"{name} {old.get(name)} -> {new.get(name)}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    differ += [
        f"{recipe}.{name} {values.get(name)} -> {asked.own[recipe].get(name)}"
        for recipe, values in before.own.items()
        for name in dict.fromkeys([*values, *asked.own[recipe]])
        if values.get(name) != asked.own[recipe].get(name)
    ]
    differ += [
        f"{recipe}.{name} default -> {value}"
        for recipe, values in asked.own.items()
        if recipe in before.recipes and recipe not in before.own
        for name, value in values.items()
    ]
    if before.first_seed != asked.first_seed:
        differ.append(f"first_seed {before.first_seed} -> {asked.first_seed}")
    differ += [f"recipe {name} left out" for name in before.recipes if name not in asked.recipes]
    differ += [f"{n} labels a class left out" for n in before.budgets if n not in asked.budgets]
    if asked.draws < before.draws:
        differ.append(f"draws {before.draws} -> {asked.draws}")
    if differ:
        more = f"; and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise UsageError(
            f"{str(root)!r} holds another benchmark ({'; '.join(differ[:4])}{more}). It may get more "
            "recipes, budgets and draws, but no other settings. Give another --workdir."
        )
