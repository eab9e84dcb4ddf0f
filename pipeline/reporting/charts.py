"""The report's charts, as SVG to stand inside a page. The same figures give the same bytes."""

from __future__ import annotations

import html
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    figure, axes = _axes(6.4, 0.7 + 0.75 * len(models), xlabel="test error, percent")
    for row, (draws, colour) in enumerate(zip(models.values(), itertools.cycle(COLOURS), strict=False)):
        for number, (error, low, high) in enumerate(draws):
            height = -row + 0.14 * ((len(draws) - 1) / 2 - number)
            axes.plot([100 * low, 100 * high], [height, height], color=colour, linewidth=1.2, alpha=0.6)
            axes.plot(100 * error, height, "o", color=colour, markersize=6, clip_on=False)
    axes.set_yticks([-row for row in range(len(models))], _plain(models))
    axes.set_ylim(-len(models) + 0.5, 0.5)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color="#e2e0da")
    return _svg(figure, "Test error of every draw, with intervals")


@dataclass(frozen=True)
class LabelSeries:
    """Errors of one model at several numbers of labels.

    Attributes:
        name: for the legend.
        family: series of one family have one colour.
        second: drawn hollow and dashed: the family's baseline.
        points: labels, the errors of all draws, and the interval of their mean, fractions.
    """

    name: str
    family: int
    second: bool
    points: Sequence[tuple[int, Sequence[float], tuple[float, float]]]


@dataclass(frozen=True)
class PublishedSeries:
    """Published errors: labels, mean and deviation, fractions."""

    name: str
    points: Sequence[tuple[int, float, float]]


PUBLISHED_MARKS = ("D", "s", "^", "v")
PUBLISHED_COLOUR = "#7a6f5d"
# errors that differ by more are not told apart on an even scale
_WIDE = 8.0


def errors_by_labels_chart(series: Sequence[LabelSeries], published: Sequence[PublishedSeries] = ()) -> str:
    """Test error in percent against the number of labels, which has a logarithmic axis.

    Each draw is a dot; a line joins the means, and a bar is a mean's interval. Published values have marks of
    their own, with their deviation.
    """
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

    figure, axes = _axes(5.2, 4.3, xlabel="labels in all", ylabel="test error, percent")
    axes.set_xscale("log")
    errors = [error for one in series for _, draws, _ in one.points for error in draws]
    errors += [mean for one in published for _, mean, _ in one.points]
    wide = bool(errors) and min(errors) > 0 and max(errors) > _WIDE * min(errors)
    handles = []
    for number, one in enumerate(series):
        colour = COLOURS[one.family % len(COLOURS)]
        # side by side, so that one does not hide another
        shift = 1.035 ** (number - (len(series) - 1) / 2)
        face = "none" if one.second else colour
        places = [labels * shift for labels, _, _ in one.points]
        means = [100 * sum(draws) / len(draws) for _, draws, _ in one.points]
        style = {"color": colour, "linestyle": "--" if one.second else "-", "linewidth": 1.3}
        handles += axes.plot(places, means, marker="o", markersize=0.1, label=one.name, **style)
        for place, (_, draws, (low, high)) in zip(places, one.points, strict=True):
            if low == low:
                axes.plot([place, place], [100 * low, 100 * high], color=colour, linewidth=2.2, alpha=0.35)
            dots = {"facecolor": face, "edgecolor": colour, "linewidth": 0.9, "s": 17, "zorder": 3}
            axes.scatter([place] * len(draws), [100 * error for error in draws], clip_on=False, **dots)
    for number, found in enumerate(published):
        place = 1.035 ** (len(series) / 2 + 1 + number)
        counts, middles, deviations = zip(*found.points, strict=True)
        handles.append(
            axes.errorbar(
                [count * place for count in counts],
                [100 * mean for mean in middles],
                # below the axis there is no error
                yerr=[[100 * min(d, 0.9 * m) for m, d in zip(middles, deviations, strict=True)],
                      [100 * d for d in deviations]],
                fmt=PUBLISHED_MARKS[number % len(PUBLISHED_MARKS)],
                color=PUBLISHED_COLOUR,
                markerfacecolor="none",
                markersize=6,
                linewidth=1,
                label=found.name,
            )
        )  # fmt: skip
    ticks = sorted({labels for one in series for labels, _, _ in one.points} | {
        labels for one in published for labels, _, _ in one.points})  # fmt: skip
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    if wide:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        # an interval may reach down to 0, which such an axis has not
        axes.set_ylim(bottom=70 * min(errors))
    else:
        axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#e2e0da")
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return _svg(figure, "Test error of every draw against the number of labels")


def reliability_chart(binned: ConfidenceBins) -> str:
    """How often answers are right, against the confidence they are given with; larger marks hold more."""
    there = binned.counts > 0
    counts = binned.counts[there]
    confidence, accuracy = binned.confidences[there] / counts, binned.hits[there] / counts
    figure, axes = _axes(4.2, 3.6, xlabel="confidence", ylabel="share that is right")
    axes.plot([0, 1], [0, 1], color="#a8adb5", linewidth=1, linestyle="--")
    sizes = 8 + 140 * counts / counts.max()
    axes.scatter(confidence, accuracy, s=sizes, color=COLOURS[0], alpha=0.7, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return _svg(figure, "Reliability diagram")


def abstention_chart(coverage: np.ndarray, risk: np.ndarray) -> str:
    """The error among answered images against the share that is answered, both in percent."""
    shown = np.unique(np.linspace(0, len(coverage) - 1, CURVE_POINTS).astype(int))
    figure, axes = _axes(4.2, 3.6, xlabel="images answered, percent", ylabel="error among them, percent")
    axes.plot(100 * coverage[shown], 100 * risk[shown], color=COLOURS[0], linewidth=1.5)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, max(1.0, 105 * float(risk.max())))
    axes.grid(color="#e2e0da")
    return _svg(figure, "Error against the share of images answered")


def _axes(width: float, height: float, **labels: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none", **labels)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _plain(names: Mapping[str, Any]) -> list[str]:
    # a dollar sign would begin a formula
    return [name.replace("$", r"\$") for name in names]


def _svg(figure: Any, title: str) -> str:
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
