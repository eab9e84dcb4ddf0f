"""Fills in the templates of pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def render(template: str, values: dict[str, Any], *, folder: Path = FOLDER, **filters: Any) -> str:
    """Returns a page.

    Args:
        template: name of a file in the folder.
        values: by the names that the template has for them; one that is missing is an error.
        folder: holds the template; by default this one, which holds what all pages share.
        filters: functions by the names that the template has for them.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, FOLDER]),
        # keys, class names and paths are the user's
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(values)
