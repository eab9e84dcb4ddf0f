"""Do the results that a report puts on one page belong together?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import read_manifest
from pipeline.errors import DataError


def check_lineage(metrics: Mapping[str, Any], **folders: Path) -> None:
    """Checks that metrics were made from the artifacts beside them.

    Args:
        metrics: of an evaluation; `made_from` names digests of artifacts.
        folders: name of each artifact, as `made_from` has it, to its folder.

    Raises:
        DataError: an artifact is another one than the metrics were made from.
    """
    for name, digest in metrics.get("made_from", {}).items():
        manifest = read_manifest(folders[name]) if name in folders else None
        if manifest and manifest.digest != digest:
            raise DataError(
                f"the figures of {metrics['recipe']} were made from another {name} than the one in "
                f"{str(folders[name])!r}. Run `ganpipe evaluate` again."
            )
