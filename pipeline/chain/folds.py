"""Cross-fitting: how many folds a run's label draws have, and whether what lies in them belongs together.

Where a test split would be too small to say much, every labelled image is tested on once, by one of K models
that were trained without it, and the model that counts is trained on all of them. So a draw has K + 1 places:
its folds, and the whole. Which it is follows from the source's listing, before any image is read.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pipeline.chain.config import RunConfig
from pipeline.chain.fingerprints import Fingerprint
from pipeline.errors import DataError, UsageError
from pipeline.sources.source import Source
from pipeline.stages.preprocess.settings import DataConfig

AUTO = "auto"
AUTO_FOLDS = 5
# a test split of so many gives an interval of 11 points at an error of 20 %
ENOUGH_TEST_IMAGES = 200
FOLD = "fold"


def with_folds(config: RunConfig, source: Source) -> RunConfig:
    """Returns the configuration with the number of folds in the place of `auto`; 0 where there are none.

    Raises:
        UsageError: folds were asked for, and the source has a labelled test split.
        DataError: more were asked for than any class has labelled images.
    """
    data = dataclasses.replace(config.data, folds=_count(config.data, source))
    return dataclasses.replace(config, **{"data": data})


def _count(data: DataConfig, source: Source) -> int:
    own = "test" in source.splits() and any(label >= 0 for _, label in source.labels("test"))
    if data.folds == AUTO:
        if own or data.labelled_keys or not data.test_rate:
            return 0
        enough = ENOUGH_TEST_IMAGES / data.test_rate
        counts = _labelled(source, enough)
        few = 0 < counts.total() < enough
        largest = max(counts.values(), default=0)
        return min(AUTO_FOLDS, largest) if few and largest > 1 else 0
    if not data.fold_count:
        return 0
    if own:
        raise UsageError(
            f"data.folds={data.folds}, but the data set {data.dataset!r} has a labelled test split: folds "
            "are for one without. Leave out --folds" + (", or --test-labels." if data.test_labels else ".")
        )
    largest = max(_labelled(source).values(), default=0)
    if largest < data.fold_count:
        raise DataError(
            f"data.folds={data.folds} wants a class with as many labelled images; the largest of "
            f"{data.dataset!r} has {largest}. Give a smaller --folds, or label more."
        )
    return data.fold_count


def _labelled(source: Source, enough: float = float("inf")) -> Counter[int]:
    """Labelled images of each class; no more are looked at than are enough."""
    counts: Counter[int] = Counter()
    for _, label in source.labels("train"):
        if label >= 0:
            counts[label] += 1
            if counts.total() >= enough:
                break
    return counts


def places(folds: int) -> list[int | None]:
    """The places of a draw in the order in which they are made: its folds, then the whole, which is None."""
    return [*range(folds), None]


def check_alike(
    fold: Mapping[str, tuple[Path, Fingerprint]], whole: Mapping[str, tuple[Path, Fingerprint]]
) -> None:
    """Checks that what lies in a fold was made as that of the whole draw was, but for the fold's images.

    Args:
        fold: stage's name to the folder and fingerprint of its result in the fold.
        whole: the same of the whole draw.

    Raises:
        DataError: another source, budget, recipe setting or number of steps; says what differs.
    """
    for name, (folder, fingerprint) in fold.items():
        theirs, other = whole[name]
        differences = _without_fold(other, name).differences(_without_fold(fingerprint, name))
        if differences:
            raise DataError(
                f"{str(folder)!r} does not belong to {str(theirs)!r} ({'; '.join(differences[:2])}), so its "
                f"answers say nothing of that model. Run `ganpipe {name}` to make both anew."
            )


def _without_fold(made: Fingerprint, stage: str) -> Fingerprint:
    """What must be the same in every place of a draw."""
    parameters = {name: value for name, value in made.parameters.items() if name != FOLD}
    source = dict(made.inputs) if stage == "preprocess" else {}
    return Fingerprint(made.stage, parameters, source, {}, {})
