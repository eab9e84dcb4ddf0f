"""Whose folder is it? ganpipe writes into working folders that it made, and never into what it reads.

A working folder is known by its config.yaml, which begins with `MARK`. Folders of releases before the mark
are known by what they hold: a configuration with every section, or prepared data with its manifest.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pipeline.chain.artifacts import read_manifest
from pipeline.chain.config import RunConfig, load_config, places_in, read_settings
from pipeline.chain.stages import STAGES
from pipeline.errors import UsageError
from pipeline.sources.names import split_place
from pipeline.workspace import Workspace
from ssgan_tf.whole_files import partial_of

MARK = "# Written by ganpipe"
HEADER = f"{MARK}: what this folder was last run with. The next command in it goes on from these settings.\n"
_SHOWN = 3


def is_working_folder(workspace: Workspace) -> bool:
    """Tells whether ganpipe made a folder."""
    try:
        with workspace.config.open(encoding="utf-8") as file:
            if file.readline().startswith(MARK):
                return True
        # every release wrote all sections
        if set(read_settings(workspace.config)) >= {"seed", "draws", *(stage.section for stage in STAGES)}:
            return True
    except (OSError, UnicodeDecodeError, UsageError):
        pass
    return any(read_manifest(path.parent) for path in workspace.root.glob("seed-*/data/manifest.json"))


def check_working_folder(workspace: Workspace) -> None:
    """Checks that a folder is new, empty or ganpipe's own, before anything is written into it.

    Hidden files and the folder of lost files of a file system are nobody's.

    Raises:
        UsageError: it holds something else.
    """
    if not workspace.root.is_dir():
        return
    draws = set(workspace.draws())
    foreign = sorted(
        path.name
        for path in workspace.root.iterdir()
        if not path.name.startswith(".")
        and path.name != "lost+found"
        # what a first command that was killed or refused can leave
        and path not in (workspace.log, partial_of(workspace.config))
        and not (path in draws and path.is_dir() and not any(path.iterdir()))
    )
    if foreign and not is_working_folder(workspace):
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise UsageError(
            f"{str(workspace.root)!r} is not a working folder of ganpipe: it holds "
            f"{', '.join(map(repr, foreign[:_SHOWN]))}{more}, and no config.yaml that ganpipe wrote. Nothing "
            "was written. Give --workdir a folder of its own, new or empty."
        )


def check_apart(config: RunConfig, workspace: Workspace) -> None:
    """Checks that the working folder and the folder of images do not lie in each other.

    Raises:
        UsageError: results would be written into the data, or the data are results of this folder.
    """
    _, text = split_place(config.data.dataset)
    place = Path(text).expanduser()
    if not text or not place.is_dir():
        return
    source, root = place.resolve(), workspace.root.resolve()
    if root.is_relative_to(source):
        raise UsageError(
            f"the working folder {str(workspace.root)!r} lies in the data set {str(place)!r}, which would "
            "then hold its own results. Give --workdir a folder outside of it."
        )
    if any(source.is_relative_to(draw.resolve()) for draw in workspace.draws()):
        raise UsageError(
            f"the data set {str(place)!r} is a result of the working folder {str(workspace.root)!r}, which "
            "would change it. Give another --workdir."
        )


def files_of_runs(model: Path) -> list[Path]:
    """Lists the files that the run of a model read and wrote, as far as its working folder says.

    Args:
        model: a place in a working folder.
    """
    found: list[Path] = []
    for folder in model.resolve().parents:
        workspace = Workspace(folder)
        if not is_working_folder(workspace):
            continue
        with contextlib.suppress(UsageError):
            config = load_config(file=workspace.config)
            found += [Path(value) for value in places_in(config) if Path(value).is_file()]
        found += [workspace.config, workspace.summary, workspace.report, workspace.log]
        found += [path for draw in workspace.draws() for path in draw.rglob("*") if path.is_file()]
    return found
