"""How many labels a class there are to draw from, and which budgets a learning curve takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.errors import DataError
from pipeline.sources.source import Source
from pipeline.stages.preprocess.draw import share
from pipeline.stages.preprocess.settings import DataConfig

LEAST = 2
"""The smallest budget that a curve chooses."""
HALVINGS = 3
FEWEST_BUDGETS = 3
"""A power law with a floor has three unknowns."""


def labels_there(source: Source, data: DataConfig) -> dict[str, int]:
    """Counts the labelled images of each class that are left for training.

    Images of a test or validation split that is drawn are taken away; of a cross-fitted draw, the largest
    part that a fold can test on. Copies and contradictions between classes are not known before the
    images are read, so there may be fewer.

    Args:
        source: the data set.
        data: its settings, with the number of folds.

    Returns:
        Class name to a number.
    """
    counts = Counter(label for _, label in source.labels("train") if label >= 0)
    own = {
        split
        for split in data.held_out_rates
        if split in source.splits() and any(label >= 0 for _, label in source.labels(split))
    }
    left = {}
    for label, name in enumerate(source.class_names()):
        count = remaining = counts[label]
        for split, rate in data.held_out_rates.items():
            if split in own:
                continue
            if split == "test" and data.fold_count:
                remaining -= -(-remaining // data.fold_count) if remaining > 1 else 0
            else:
                # the first share is of two or more never all; a later one may take what is left
                remaining -= min(share(rate, count), remaining)
        left[name] = remaining
    return left


def check_budgets(budgets: Sequence[int], left: Mapping[str, int], named: str) -> None:
    """Checks that every class has as many labels as the largest budget asks for.

    Args:
        budgets: labels a class.
        left: as `labels_there` returns it.
        named: what `--dataset` says.

    Raises:
        DataError: one has not; names it and what would do.
    """
    name = min(left, key=lambda name: left[name])
    largest = max(budgets)
    if largest > left[name]:
        fitting = [str(budget) for budget in budgets if budget <= left[name]]
        instead = f" Budgets that go: {', '.join(fitting)}." if fitting else ""
        raise DataError(
            f"--labels-per-class {largest}: class {name!r} of {named!r} has {left[name]} labelled images for "
            f"training, after those that are tested on are taken away.{instead}"
        )


def halvings(left: Mapping[str, int]) -> tuple[int, ...]:
    """Chooses the budgets of a curve: what the smallest class has, half of it, and so on.

    Raises:
        DataError: that is too little for three budgets.
    """
    name = min(left, key=lambda name: left[name])
    most = left[name]
    found = [most >> n for n in range(HALVINGS + 1) if most >> n >= LEAST]
    if len(found) < FEWEST_BUDGETS:
        raise DataError(
            f"a learning curve wants {FEWEST_BUDGETS} budgets of at least {LEAST} labels a class, each half "
            f"of the next; class {name!r} has {most} labelled images for training, and "
            f"{LEAST << FEWEST_BUDGETS - 1} would do. Label more of it, or name budgets "
            "(--labels-per-class) and leave out --curve."
        )
    return tuple(sorted(found))
