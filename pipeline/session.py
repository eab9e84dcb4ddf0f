"""A command at work in a working folder: it is ganpipe's own, has a log, and a mistake leaves none behind."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.chain.ownership import check_working_folder
from pipeline.errors import GanpipeError, writing_to
from pipeline.terminal import Terminal, quiet_libraries
from pipeline.workspace import Workspace


@contextmanager
def session(
    workspace: Workspace, quiet: bool, check: Callable[[Workspace], None] = check_working_folder
) -> Iterator[Terminal]:
    """Yields the terminal of a command; the libraries' output goes to the working folder's log.

    Args:
        workspace: the folder.
        quiet: show warnings and errors only.
        check: raises UsageError where the folder holds what is not the command's.

    Raises:
        UsageError: the folder holds what ganpipe did not make.
        DataError: it cannot be written to.
    """
    workdir, log = workspace.root, workspace.log
    fresh = [folder for folder in (workdir, *workdir.parents) if not folder.exists()]
    with writing_to(workdir):
        check(workspace)
        workdir.mkdir(parents=True, exist_ok=True)
        log.touch()
    try:
        with quiet_libraries(log):
            yield Terminal(sys.stderr, quiet)
    except GanpipeError:
        # a mistake that stopped the command before any result leaves nothing behind
        if fresh:
            _remove_empty(workspace, fresh)
        raise


def _remove_empty(workspace: Workspace, fresh: list[Path]) -> None:
    for draw in workspace.draws():
        below = [path for path in draw.rglob("*") if path.is_dir() and not path.is_symlink()]
        # the folders of folds lie in that of their draw
        for folder in (*sorted(below, reverse=True), draw):
            with contextlib.suppress(OSError):
                folder.rmdir()
    if list(workspace.root.iterdir()) == [workspace.log]:
        workspace.log.unlink()
        for folder in fresh:
            folder.rmdir()
