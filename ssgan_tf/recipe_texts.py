"""What a recipe's file says of itself, read from its text: nothing is imported, so that it takes no time.

    read_text("dcgan").summary      # "DCGAN: convolutions with batch normalisation."
    preset_names("dcgan")           # ("small", "full")

A recipe's docstring begins with one line of summary; fields follow ("Settings:", "Cost:", "Expected:",
"Losses:"), each with its further lines indented; what comes after them is its source and its story.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ssgan_tf import recipes

_FIELD = re.compile(r"([A-Z][a-z]+):\s+(.*)")
_INDENT = 11


@dataclass(frozen=True)
class RecipeText:
    """A recipe's docstring, in parts.

    Attributes:
        summary: one line.
        fields: the name of each field to its text; lines joined, but for those of "Losses".
        story: the paragraphs after the fields.
    """

    summary: str
    fields: Mapping[str, str]
    story: str


def read_text(name: str) -> RecipeText:
    """Reads the docstring of a recipe's file.

    Raises:
        UsageError: there is no such recipe.
    """
    summary, _, rest = (ast.get_docstring(_tree(name)) or "").partition("\n\n")
    head, _, story = rest.partition("\n\n")
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in head.splitlines():
        if match := _FIELD.fullmatch(line):
            current = found[match[1]] = [match[2]]
        else:
            current.append(line.removeprefix(" " * _INDENT))
    fields = {key: ("\n" if key == "Losses" else " ").join(lines) for key, lines in found.items()}
    return RecipeText(summary, fields, story)


def preset_names(name: str) -> tuple[str, ...]:
    """Names of a recipe's presets, in the file's order; "full", which each has, is the last.

    Raises:
        UsageError: there is no such recipe.
    """
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.keyword) and node.arg == "presets" and isinstance(node.value, ast.Dict):
            named = [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
            return (*(str(preset) for preset in named if preset != "full"), "full")
    return ("full",)


def setting_names(name: str) -> tuple[str, ...]:
    """Names of a recipe's settings, in the file's order.

    Raises:
        UsageError: there is no such recipe.
    """
    settings = (n for n in _tree(name).body if isinstance(n, ast.ClassDef) and n.name == "Settings")
    return tuple(
        item.target.id
        for cls in settings
        for item in cls.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and isinstance(item.value, ast.Call)
    )


@functools.lru_cache
def _tree(name: str) -> ast.Module:
    recipes.check_name(name)
    path = Path(recipes.__path__[0]) / f"{name.replace('-', '_')}.py"
    return ast.parse(path.read_text(encoding="utf-8"))
