"""What an evaluator is: it says what it needs and yields figures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ssgan_tf.metrics.figures import Figure


class Unavailable(Exception):
    """What an evaluator needs cannot be had; the text says why, for the user."""


@dataclass(frozen=True)
class Evaluator:
    """One or several figures that come from the same values.

    Attributes:
        name: what it looks at, in words, for the sentence that says why it was left out.
        section: CLASSIFICATION or GENERATION of `ssgan_tf.metrics.figures`.
        compute: yields the figures; its parameters' names are what it needs.
    """

    name: str
    section: str
    compute: Callable[..., Iterable[Figure]]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the values that `compute` takes."""
        return tuple(inspect.signature(self.compute).parameters)
