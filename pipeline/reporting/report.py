"""A run's report: one HTML file that needs no other, made from the files that the run left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.chain.config import RunConfig
from pipeline.reporting.templates import render
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
    from pipeline.reporting.sections import sections

    values = sections(config, workspace, summary)
    text = render(TEMPLATE, values, percent=_percent, count="{:,}".format, clock=clock)
    # a path may hold bytes that are no text
    write_whole(workspace.report, text.encode(errors="backslashreplace"))
    return workspace.report


def _percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:.{digits}f} %"
