"""The report's charts, as SVG to stand inside a page. The same figures give the same bytes."""

from __future__ import annotations

import html
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ssgan_tf.metrics.calibration import ConfidenceBins

COLOURS = ("#2b5fd9", "#b5651d", "#1c7c54", "#7a4fbf")
CURVE_POINTS = 400


def errors_chart(models: Mapping[str, Sequence[tuple[float, float, float]]]) -> str:
    """One line a model, one mark a draw: test error in percent with its 95 % interval.

    Args:
        models: name to (error, low, high) of each draw, fractions.
    """
    figure, axes = new_axes(4.8, 0.7 + 0.75 * len(models), xlabel="test error, percent")
    for row, (draws, colour) in enumerate(zip(models.values(), itertools.cycle(COLOURS), strict=False)):
        for number, (error, low, high) in enumerate(draws):
            height = -row + 0.14 * ((len(draws) - 1) / 2 - number)
            axes.plot([100 * low, 100 * high], [height, height], color=colour, linewidth=1.2, alpha=0.6)
            axes.plot(100 * error, height, "o", color=colour, markersize=6, clip_on=False)
    axes.set_yticks([-row for row in range(len(models))], _plain(models))
    axes.set_ylim(-len(models) + 0.5, 0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color="#e2e0da")
    means = (f"{name} {100 * np.mean([draw[0] for draw in draws]):.2f} %" for name, draws in models.items())
    return as_svg(figure, f"Test error of every draw, with intervals; means: {', '.join(means)}")


def reliability_chart(binned: ConfidenceBins, before: ConfidenceBins | None = None) -> str:
    """How often answers are right, against the confidence they are given with.

    Args:
        binned: as they are.
        before: at the temperature 1, where that is another one: drawn as rings.
    """
    total = int(binned.counts.sum())
    figure, axes = new_axes(4.2, 3.6, xlabel="confidence", ylabel="share that is right")
    axes.plot([0, 1], [0, 1], color="#a8adb5", linewidth=1, linestyle="--")
    if before is not None:
        axes.scatter(*_shares(before), s=30, facecolors="none", edgecolors=COLOURS[1], clip_on=False)
    axes.scatter(*_shares(binned), s=30, color=COLOURS[0], alpha=0.7, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    shares = f"confidence {binned.confidences.sum() / total:.1%}, right {binned.hits.sum() / total:.1%}"
    return as_svg(figure, f"Reliability diagram of {total:,} answers; on average: {shares}")


def _shares(binned: ConfidenceBins) -> tuple[np.ndarray, np.ndarray]:
    there = binned.counts > 0
    counts = binned.counts[there]
    return binned.confidences[there] / counts, binned.hits[there] / counts


def abstention_chart(coverage: np.ndarray, risk: np.ndarray) -> str:
    """The error among answered images against the share that is answered, both in percent."""
    shown = np.unique(np.linspace(0, len(coverage) - 1, CURVE_POINTS).astype(int))
    figure, axes = new_axes(4.2, 3.6, xlabel="images answered, percent", ylabel="error among them, percent")
    axes.plot(100 * coverage[shown], 100 * risk[shown], color=COLOURS[0], linewidth=1.5)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, max(1.0, 105 * float(risk.max())))
    axes.grid(color="#e2e0da")
    half = 100 * risk[np.searchsorted(coverage, 0.5)] if len(coverage) else 0.0
    told = f"{100 * risk[-1]:.2f} % where all are answered, {half:.2f} % where half are"
    return as_svg(figure, f"Error against the share of images answered: {told}")


def new_axes(width: float, height: float, **labels: str) -> tuple[Any, Any]:
    """A figure of so many inches, on no background, and its axes with their labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none", **labels)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _plain(names: Mapping[str, Any]) -> list[str]:
    # a dollar sign would begin a formula
    return [name.replace("$", r"\$") for name in names]


def as_svg(figure: Any, title: str) -> str:
    """The figure as an SVG element, named by its title for who cannot see it."""
    import matplotlib
    from markupsafe import Markup

    buffer = io.StringIO()
    # names of its parts from a fixed salt, and no date
    with matplotlib.rc_context({"svg.hashsalt": "ganpipe", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    label = html.escape(title, quote=True)
    # marked as our own drawing: the page escapes all other text
    return Markup(text[text.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))
