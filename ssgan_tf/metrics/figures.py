"""Figures: values that say what they are, in words. All places that show an evaluation read these.

    metrics = {"brier": 0.03, "figures": [{"section": "", "name": "brier", "title": "Brier score", ...}]}
    for line in lines(metrics): print(line.title, line.text, line.caption)

`metrics.json` holds every value once, by its name, and beside the values one description of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# sections of metrics.json: classification figures stand at its top
CLASSIFICATION = ""
GENERATION = "generation"

# units
FRACTION = "fraction"
IMAGES = "images"
NATS = "nats"
NUMBER = "number"
TEXT = "text"
# a matrix, a mapping: shown by those who know it, never as a line
TABLE = "table"

DESCRIPTIONS = "figures"


@dataclass(frozen=True)
class Figure:
    """What an evaluator yields.

    Attributes:
        name: key in `metrics.json`.
        value: plain value: a number, a text, a list, a mapping.
        title: what it is, in a few words.
        unit: one of the units above.
        caption: how to read it, in one line.
        interval: 95 % interval of the value, which `metrics.json` holds as NAME_interval.
    """

    name: str
    value: Any
    title: str
    unit: str = NUMBER
    caption: str = ""
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Line:
    """A figure to show: its section, name, title, value, unit, caption, and interval or None."""

    section: str
    name: str
    title: str
    value: Any
    unit: str
    caption: str
    interval: tuple[float, float] | None

    @property
    def text(self) -> str:
        """The value in words, with its interval."""
        if self.interval is None:
            return in_words(self.value, self.unit)
        low, high = (in_words(end, self.unit) for end in self.interval)
        return f"{in_words(self.value, self.unit)} ({low} to {high})"


def document(section: str, figures: Iterable[Figure]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the values by name, and the descriptions, as `metrics.json` holds them."""
    values: dict[str, Any] = {}
    descriptions = []
    for figure in figures:
        values[figure.name] = figure.value
        if figure.interval is not None:
            values[f"{figure.name}_interval"] = list(figure.interval)
        descriptions.append(
            {
                "section": section,
                "name": figure.name,
                "title": figure.title,
                "unit": figure.unit,
                "caption": figure.caption,
            }
        )
    return values, descriptions


def lines(metrics: Mapping[str, Any], section: str | None = None) -> Iterator[Line]:
    """Yields every figure that can stand on a line, in the order of the evaluators.

    Args:
        metrics: as `metrics.json` holds them.
        section: only this one's; None: all.
    """
    for described in metrics.get(DESCRIPTIONS, ()):
        here = described["section"]
        values = metrics.get(here, {}) if here else metrics
        name = described["name"]
        if name not in values or described["unit"] == TABLE or section not in (None, here):
            continue
        interval = values.get(f"{name}_interval")
        yield Line(**described, value=values[name], interval=(interval[0], interval[1]) if interval else None)


def tested_on(metrics: Mapping[str, Any]) -> str:
    """Says which images the figures of a classification are of: "on 359 images of split test"."""
    if crossed := metrics.get("cross_fitted"):
        return f"on {crossed['images']:,} labelled images, cross-fitted in {crossed['folds']} folds"
    return f"on {metrics['count']:,} images of split {metrics['split']}"


def how_tested(crossed: Mapping[str, Any]) -> str:
    """Says in two sentences how cross-fitted figures came about, from `cross_fitted` of the metrics."""
    return (
        f"Each of {crossed['images']:,} labelled images was tested by a model that had not seen it "
        f"({crossed['folds']} folds). The exported model was trained on all of them."
    )


def in_words(value: Any, unit: str = NUMBER) -> str:
    """A value as a person reads it: "4.74 %", "1,797", "0.0312 nats", "[1, 2]"."""
    if isinstance(value, list):
        return "[" + ", ".join(in_words(item, unit) for item in value) + "]"
    if isinstance(value, str):
        return value
    if unit == FRACTION:
        return f"{100 * value:.2f} %"
    if unit == IMAGES or isinstance(value, int):
        return f"{value:,.0f}"
    return f"{value:.4g} nats" if unit == NATS else f"{value:.4g}"
