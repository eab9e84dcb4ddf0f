"""Do the results that a report puts on one page belong together?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.chain.artifacts import check_lineage, open_artifact
from pipeline.chain.fingerprints import Fingerprint
from pipeline.chain.stages import STAGES
from pipeline.workspace import Model, Workspace


def check_results(workspace: Workspace, models: Sequence[Model], seeds: Sequence[int]) -> None:
    """Checks the results of every draw and model that a report reads.

    Args:
        workspace: holds them.
        models: the chosen model first, then those that have no more than a baseline has.
        seeds: of the draws.

    Raises:
        DataError: one is absent or not as it was written, or was made from another one than that beside it.
    """
    names = {stage: key for row in STAGES for key, stage in row.inputs.items()}
    for seed in seeds:
        for number, model in enumerate(models):
            found: dict[str, tuple[Path, Fingerprint]] = {}
            for stage in STAGES:
                if stage.once_a_draw or stage.for_baseline or not number:
                    folder = workspace.result(seed, None if stage.once_a_draw else model, stage.place)
                    manifest = open_artifact(folder, stage.name)
                    found[names.get(stage.name, stage.name)] = folder, manifest.fingerprint
            check_lineage(found)
