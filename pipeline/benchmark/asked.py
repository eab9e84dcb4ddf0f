"""What a benchmark was asked for, kept in its folder, so that the same command goes on with it.

asked = settle(root, given, overrides=["improved-gan.steps=30000"], options={"data.dataset": "mnist"})
asked.config("improved-gan", 10)          # the configuration of `ganpipe run` for its cells

A variant is a row of its own: its recipe, with that recipe's settings in this benchmark and then its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.benchmark import variants as naming
from pipeline.benchmark.continued import check_same
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
from pipeline.errors import UsageError
from pipeline.workspace import LOG, Workspace
from ssgan_tf.declare import build
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
        recipes: names of recipes and variants, in the order of the table.
        budgets: labels a class, ascending; empty: to be chosen from what is there.
        draws: of each budget.
        first_seed: of the first draw.
        settings: those of all cells, as nested mappings.
        own: recipe or variant to the settings that it alone has, by their names; "preset" is one.
        curve: whether a learning curve is fitted.
        variants: those of the names that are variants, to their recipes.
    """

    recipes: tuple[str, ...]
    budgets: tuple[int, ...]
    draws: int
    first_seed: int
    settings: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curve: bool = False
    variants: Mapping[str, str] = field(default_factory=dict)

    @property
    def seeds(self) -> range:
        """Seeds of the draws."""
        return range(self.first_seed, self.first_seed + self.draws)

    def recipe_of(self, name: str) -> str:
        """The recipe of a row."""
        return self.variants.get(name, name)

    def own_of(self, name: str) -> dict[str, Any]:
        """The settings that not all rows have: a recipe's own; of a variant its recipe's, then its own."""
        return {**self.own.get(self.recipe_of(name), {}), **self.own.get(name, {})}

    def config(self, name: str, budget: int | str) -> RunConfig:
        """The configuration of a run with one recipe or variant and budget over all draws."""
        own = self.own_of(name)
        train = {"recipe": self.recipe_of(name), **({"preset": own.pop("preset")} if "preset" in own else {})}
        cell = {"seed": self.first_seed, "draws": self.draws, "data": {"labels_per_class": budget}}
        return layered(self.settings, {**cell, "train": train, "recipe": own})

    def agreed(self) -> Asked:
        """The same, for processes that cannot ask whether the classes are as they should be."""
        data = {**self.settings["data"], "yes": True}
        return dataclasses.replace(self, settings={**self.settings, "data": data})

    def changed(self) -> list[str]:
        """The settings that are not the defaults, such as "train.steps=500"; of variants see below."""
        usual = flat(as_document(layered(_DEFAULTS)))
        shared = [
            f"{name}={value}" for name, value in flat(self.settings).items() if usual.get(name) != value
        ]
        alone = [
            f"{recipe}.{name}={value}"
            for recipe, own in self.own.items()
            if recipe not in self.variants
            for name, value in own.items()
        ]
        return shared + alone

    def variants_in_words(self) -> dict[str, str]:
        """Each variant's name to what it is, such as "ssgan with recipe.width=0.25"."""
        return {
            name: naming.in_words(recipe, self.own.get(name, {})) for name, recipe in self.variants.items()
        }

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
            asked = cls(**document)
            # they name folders, and other processes begin here
            if not all(naming.is_name(name) for pair in asked.variants.items() for name in pair):
                raise TypeError
            return asked
        except (AttributeError, KeyError, TypeError):
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
        overrides: texts section.key=value, and NAME.key=value for one recipe or variant alone.
        options: dotted settings of a run to values.

    Raises:
        UsageError: an unknown recipe or setting, one that does not go with a benchmark, a variant that is
            what another row is, or another benchmark than the one that the folder holds.
    """
    before = Asked.load(root)
    chosen = build(BenchmarkConfig, given, "benchmark")
    if "recipes" in given or not before:
        recipes, variants = naming.parse_recipes(chosen.recipes, before.variants if before else None)
    else:
        recipes, variants = before.recipes, dict(before.variants)
    named = chosen.labels_per_class
    budgets = (
        tuple(sorted(int(part) for part in named.split(","))) if named else before.budgets if before else ()
    )
    shared, own = naming.own_apart(overrides, recipes, variants)
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
        variants=variants,
    )
    if asked.seeds[-1] > LARGEST_SEED:
        raise UsageError(f"draw i uses first_seed + i, which may be {LARGEST_SEED} at most.")
    if not asked.budgets and not asked.curve:
        raise UsageError(
            "name the label budgets, for example --labels-per-class 2,5,10, or say --curve, which chooses "
            "them."
        )
    if before:
        check_same(before, asked, root)
    for name in recipes:
        _check_recipe(asked, name)
    for place, name in enumerate(recipes):
        if name in variants:
            _check_other(asked, name, recipes[:place])
    return asked


def _remove(document: dict[str, Any], dotted: str) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        document = document[section]
    document.pop(last, None)


def _check_recipe(asked: Asked, name: str) -> None:
    from pipeline.chain.plan import chosen_model

    try:
        chosen_model(asked.config(name, asked.budgets[0] if asked.budgets else "all"))
    except UsageError as error:
        kind = "variant" if name in asked.variants else "recipe"
        raise UsageError(f"{kind} {name}: {error}") from None


def _check_other(asked: Asked, name: str, before: Sequence[str]) -> None:
    """Checks that a variant is not its recipe, or another row, under another name.

    Raises:
        UsageError: it is.
    """
    recipe = asked.variants[name]
    if not asked.own.get(name):
        raise UsageError(
            f"variant {name!r} has no settings of its own, so it is {recipe} itself. Give it some: "
            f"--set {name}.KEY=VALUE (`ganpipe recipes {recipe}` lists them)."
        )
    for other in dict.fromkeys([recipe, *before]):
        if asked.recipe_of(other) == recipe and _in_full(asked, other) == _in_full(asked, name):
            said = naming.in_words(recipe, asked.own[name])
            raise UsageError(
                f"variant {name!r} ({said}) says the same as {other!r}. Give it another value, or "
                "leave it out."
            )


def _in_full(asked: Asked, name: str) -> dict[str, Any]:
    from pipeline.chain.hooks import trained_with

    config = asked.config(name, "all")
    return trained_with(config.train, config.recipe)
