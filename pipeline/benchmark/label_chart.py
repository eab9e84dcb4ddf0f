"""The benchmark's chart: error against the number of labels, each draw a dot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.reporting import charts


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

    figure, axes = charts.new_axes(5.2, 4.3, xlabel="labels in all", ylabel="test error, percent")
    axes.set_xscale("log")
    errors = [error for one in series for _, draws, _ in one.points for error in draws]
    errors += [mean for one in published for _, mean, _ in one.points]
    wide = bool(errors) and min(errors) > 0 and max(errors) > _WIDE * min(errors)
    handles = []
    for number, one in enumerate(series):
        colour = charts.COLOURS[one.family % len(charts.COLOURS)]
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
    return charts.as_svg(figure, "Test error of every draw against the number of labels")
