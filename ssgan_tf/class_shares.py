"""The classes' shares as a setting: even ones, those of the labels or of the guesses, numbers, or none."""

from __future__ import annotations

from ssgan_tf.declare import Rule

ESTIMATED, UNIFORM, LABELLED, NONE = "estimated", "uniform", "labelled", "none"


def shares_of(prior: str) -> tuple[float, ...] | None:
    """The numbers that a prior lists, scaled to a sum of 1; None where it lists none.

    Raises:
        ValueError: an entry is no number above 0.
    """
    if prior in (ESTIMATED, UNIFORM, LABELLED, NONE):
        return None
    numbers = [float(part) for part in prior.split(",")]
    if len(numbers) < 2 or not all(0.0 < number < float("inf") for number in numbers):
        raise ValueError("shares are numbers above 0")
    return tuple(number / sum(numbers) for number in numbers)


def _is_prior(value: str) -> bool:
    try:
        shares_of(value)
    except ValueError:
        return False
    return True


PRIOR = Rule(
    f"{ESTIMATED}, {UNIFORM}, {LABELLED}, {NONE}, or a number above 0 for each class, with commas between "
    "them",
    _is_prior,
)
