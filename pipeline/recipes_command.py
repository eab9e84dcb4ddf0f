"""`ganpipe recipes`: the command; what it shows is made in `pipeline.recipe_pages`."""

from __future__ import annotations

import json
import shutil
from typing import Any

import click

from pipeline.command_help import Command, Option
from pipeline.errors import UsageError
from pipeline.options import VALUES
from pipeline.terminal import quiet_libraries


@click.command(cls=Command)
@click.argument("name", required=False, type=VALUES["train.recipe"], metavar="[NAME]")
@click.option(
    "--preset",
    cls=Option,
    group="training",
    type=VALUES["train.preset"],
    help="the preset whose layers are listed; default: the one that is trained by default",
)
@click.option("--json", "as_json", cls=Option, group="output", is_flag=True, help="print it as JSON")
def recipes(name: str | None, preset: str | None, as_json: bool) -> None:
    """List the recipes that can be trained; with a NAME explain one: settings, layers, losses, source."""
    from pipeline import recipe_pages

    width = min(recipe_pages.WIDTH, shutil.get_terminal_size((recipe_pages.WIDTH, 24)).columns)
    if name is None:
        if preset is not None:
            raise UsageError("--preset belongs to one recipe: ganpipe recipes NAME --preset PRESET.")
        found: Any = recipe_pages.overview()
        text = recipe_pages.show_overview(found, width)
    else:
        with quiet_libraries(None):
            found = recipe_pages.explain(name, preset)
            text = recipe_pages.show(found, width)
    click.echo(json.dumps(found, indent=1) if as_json else text)
