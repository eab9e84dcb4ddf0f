"""Errors that a user can act on, each with the exit code that a command line should end with.

raise UsageError("train.steps", got=-3, want="a whole number from 1")
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GanpipeError(Exception):
    """What went wrong, for the user: one message, no traceback.

    Attributes:
        exit_code: what the process ends with.
    """

    exit_code = 1


class UsageError(GanpipeError):
    """The command or its settings are wrong."""

    exit_code = 2


class DataError(GanpipeError):
    """The images, labels or files are wrong, missing or damaged."""

    exit_code = 3


class TrainingDiverged(GanpipeError):
    """Training reached a value that is not finite; the last good checkpoint is kept."""

    exit_code = 4


class GateRefused(GanpipeError):
    """A check before publishing said no; nothing was published."""

    exit_code = 5


class WorkerLost(GanpipeError):
    """Another process of the run ended; the last checkpoint is kept."""

    exit_code = 6


class Interrupted(GanpipeError):
    """A signal ended the run cleanly; running the same command again continues it."""

    exit_code = 130


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
