"""A run's report: one HTML file that needs no other, made from the files that the run left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.chain.config import RunConfig
from pipeline.terminal import clock
from pipeline.workspace import Workspace
from ssgan_tf.whole_files import write_whole

TEMPLATE = "report.html"


def write_report(config: RunConfig, workspace: Workspace, summary: Mapping[str, Any]) -> Path:
    """Writes the page into the working folder.

    Args:
        config: of the run.
        workspace: holds the results of all its stages.
        summary: of the run, as `summarise` returns it.

    Returns:
        The file; it is there whole or not at all. The same results give the same bytes.

    Raises:
        DataError: a result is missing or damaged, or was made from another one than that beside it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from pipeline.reporting.sections import sections

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        # keys, class names and paths are the user's
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "count": "{:,}".format, "clock": clock}
    text = environment.get_template(TEMPLATE).render(sections(config, workspace, summary))
    # a path may hold bytes that are no text
    write_whole(workspace.report, text.encode(errors="backslashreplace"))
    return workspace.report


def _percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f} %"
