"""Errors that a user can act on: what went wrong, which value, what would be right.

raise UsageError("train.steps must be a whole number from 1; got -3.")
raise unknown("recipe", "ssgann", ["gan", "ssgan"])   # ... Did you mean 'ssgan'? Valid: gan, ssgan.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanpipeError(Exception):
    """What went wrong, for the user: one message, no traceback."""


class UsageError(GanpipeError):
    """A setting is wrong."""


class DataError(GanpipeError):
    """The images, labels or files are wrong, missing or damaged."""


class DamagedData(DataError):
    """Prepared data is damaged, lacks a file or has another schema version; prepared again it is right."""


class NoLabels(DataError):
    """No training image has a label, and training needs some."""


class TrainingDiverged(GanpipeError):
    """Training reached a value that is not finite; the last good checkpoint is kept."""


class WorkerLost(GanpipeError):
    """Another process of the run ended; the last checkpoint is kept."""


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the nearest choice, or "" when none is near."""
    near = difflib.get_close_matches(str(value), list(choices), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def unknown(kind: str, value: str, choices: Iterable[str]) -> UsageError:
    """Builds the error for a name that is not one of the valid ones.

    Args:
        kind: what the name names, such as "recipe".
        value: the name that came.
        choices: the valid names; all are listed in the message.
    """
    choices = sorted(choices)
    return UsageError(f"unknown {kind} {value!r}.{did_you_mean(value, choices)} Valid: {', '.join(choices)}.")
