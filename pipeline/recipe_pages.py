"""What `ganpipe recipes` shows: all recipes in short, from their files' texts, and one of them whole."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

from pipeline.stages.train.settings import TrainConfig
from ssgan_tf.recipe_texts import preset_names, read_text
from ssgan_tf.recipes import recipe_names

# of the text, in characters, where the terminal is not narrower
WIDTH = 100
# of the images that a recipe's layers are listed for: those of MNIST
SHAPE, CLASSES = (28, 28, 1), 10


def overview() -> list[dict[str, Any]]:
    """Each recipe's name, summary, presets, cost and what was measured; imports none of them."""
    found = []
    for name in recipe_names():
        text = read_text(name)
        found.append(
            {
                "name": name,
                "summary": text.summary,
                "presets": list(preset_names(name)),
                "cost": text.fields.get("Cost", ""),
                "measured": text.fields.get("Expected", ""),
            }
        )
    return found


def show_overview(recipes: Sequence[dict[str, Any]], width: int = WIDTH) -> str:
    """The overview as text, in lines of at most `width` characters."""
    formatter = click.HelpFormatter(width=width)
    for recipe in recipes:
        with formatter.section(recipe["name"]):
            formatter.write_text(recipe["summary"])
            rows = [("presets", ", ".join(recipe["presets"]))]
            formatter.write_dl([*rows, ("cost", recipe["cost"]), ("measured", recipe["measured"])])
    text = formatter.getvalue().strip("\n")
    return f"{text}\n\nOne of them whole: ganpipe recipes NAME. Train it: ganpipe run --recipe NAME."


def explain(
    name: str, preset: str | None, *, shape: tuple[int, int, int] = SHAPE, classes: int = CLASSES
) -> dict[str, Any]:
    """Everything about one recipe; imports TensorFlow.

    Args:
        name: the recipe.
        preset: whose layers are listed; None: the one that is trained by default.
        shape: of the record images (H, W, C) that the layers are listed for.
        classes: how many there are.

    Raises:
        UsageError: there is no such recipe or preset, or it does not take such images.
    """
    text = read_text(name)
    from ssgan_tf import points
    from ssgan_tf.layer_table import layer_table
    from ssgan_tf.recipes import load_recipe
    from ssgan_tf.systems.recipe import DataSpec

    recipe = load_recipe(name)
    presets = preset_names(name)
    usual = TrainConfig.preset
    chosen = preset or (usual if usual in presets else presets[0])
    settings = recipe.configure(chosen, {})
    planned = recipe.reproduction.settings if recipe.reproduction else {}
    if planned.get("data.dataset") == "gaussian":
        shape, classes = points.POINT_SHAPE, 0
    networks = layer_table(recipe.build(settings, DataSpec(shape, classes)))
    configured = {each: recipe.configure(each, {}) for each in presets}
    return {
        "name": name,
        "summary": text.summary,
        "labels": "needed" if recipe.needs_labels else "not looked at",
        "baseline": recipe.baseline,
        "settings_of_the_documented_run": text.fields.get("Settings", ""),
        "cost": text.fields.get("Cost", ""),
        "measured": text.fields.get("Expected", ""),
        "source": text.story,
        "presets": list(presets),
        "settings": [
            {
                "name": item.name,
                "presets": {each: getattr(configured[each], item.name) for each in presets},
                "allowed": _allowed(item.metadata["rule"]),
                "help": item.metadata["help"],
            }
            for item in dataclasses.fields(recipe.settings)
            if "help" in item.metadata
        ],
        "losses": text.fields.get("Losses", "").splitlines(),
        "layers_of": {"preset": chosen, "image_shape": list(shape), "classes": classes},
        "networks": {key: [dataclasses.asdict(row) for row in rows] for key, rows in networks.items()},
    }


def _allowed(rule: Any) -> str:
    if rule is None:
        return ""
    return ", ".join(map(str, rule.choices)) or rule.limits or rule.words


def show(page: dict[str, Any], width: int = WIDTH) -> str:
    """One recipe as text, in lines of at most `width` characters; formulas may be longer."""
    formatter = click.HelpFormatter(width=width)
    formatter.write_text(f"{page['name']}: {page['summary']}")
    with formatter.section("In short"):
        rows = [("labels", page["labels"]), ("presets", ", ".join(page["presets"]))]
        rows += [("baseline", page["baseline"])] if page["baseline"] else []
        rows += [("cost", page["cost"]), ("measured", page["measured"])]
        formatter.write_dl([*rows, ("as documented", page["settings_of_the_documented_run"])])
    header = ["--set recipe.", *page["presets"], "allowed", ""]
    rows_of_settings = [
        [s["name"], *map(_value, s["presets"].values()), s["allowed"], s["help"]] for s in page["settings"]
    ]
    parts = [
        formatter.getvalue().rstrip("\n"),
        "",
        "Source:",
        *_filled(page["source"], width),
        "",
        "Settings:",
        _table(header, rows_of_settings, width),
    ]
    parts += ["", "Losses:", *(f"  {line}" for line in page["losses"])]
    of = page["layers_of"]
    size = "x".join(map(str, of["image_shape"]))
    for name, rows in page["networks"].items():
        total = sum(row["parameters"] for row in rows)
        parts += [
            "",
            f"Layers of the {name}, preset {of['preset']}, records of {size}"
            + (f" in {of['classes']} classes" if of["classes"] else "")
            + f": {total:,} parameters",
            _table(
                ["layer", "kernel", "stride", "details", "output", "parameters"],
                [
                    [
                        row["layer"],
                        row["kernel"],
                        "" if row["stride"] is None else str(row["stride"]),
                        row["details"],
                        "x".join(map(str, row["output"])),
                        f"{row['parameters']:,}" if row["parameters"] else "",
                    ]
                    for row in rows
                ],
                width,
            ),
        ]
    parts += ["", "What holds nothing and is no layer (a ReLU called by itself, an average) is not named."]
    return "\n".join(parts)


def _filled(text: str, width: int) -> Iterator[str]:
    """The lines of paragraphs and of the lists in them, filled anew."""
    for number, paragraph in enumerate(text.split("\n\n")):
        head, *items = paragraph.split("\n- ")
        if number:
            yield ""
        if paragraph.startswith("|"):
            # a table keeps its lines
            yield from (f"  {line}" for line in paragraph.splitlines())
            continue
        for begin, part in [("", head), *(("- ", item) for item in items)]:
            after = " " * len(begin)
            yield from textwrap.wrap(
                " ".join(part.split()), width, initial_indent=f"  {begin}", subsequent_indent=f"  {after}"
            )


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for title in header:
        table.add_column(title, overflow="fold", max_width=16 if title == "allowed" else None)
    for row in rows:
        table.add_row(*row)
    console = Console(width=width - 2, color_system=None, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(f"  {line}".rstrip() for line in captured.get().splitlines())
