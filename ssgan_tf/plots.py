"""Pictures of a run: grids of samples, scatter plots of points, curves of losses.

matplotlib is imported where it draws, as every recipe imports this module and few calls draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ssgan_tf.whole_files import replacing

CURVE_POINTS = 1000
LINE = 96


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Puts uint8 [N, H, W, C] images into rows, a grey line between them.

    Args:
        images: row after row.
        columns: of a row; None: ceil(sqrt(N)).

    Returns:
        uint8 [rows * (H + 1) - 1, columns * (W + 1) - 1, C], black where no image is left.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = -(-count // columns)
    cells = np.full([rows * columns, height + 1, width + 1, channels], LINE, np.uint8)
    cells[:, :height, :width] = 0
    cells[:count, :height, :width] = images
    cells = cells.reshape(rows, columns, height + 1, width + 1, channels).transpose(0, 2, 1, 3, 4)
    return cells.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]


def scatter(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Draws real and generated points, each [N, 2], as uint8 [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=100, layout="constrained")
    axes = figure.add_subplot(xlabel="first coordinate", ylabel="second coordinate")
    for points, label in ((real, "real"), (generated, "generated")):
        axes.scatter(points[:, 0], points[:, 1], s=6, alpha=0.5, label=label)
    axes.legend(loc="upper left")
    axes.set_aspect("equal", "datalim")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_curves(
    path: Path,
    values: Mapping[str, np.ndarray],
    measured: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
) -> None:
    """Draws what training recorded, in panels of the same kind, into a PNG file.

    Args:
        path: the file.
        values: name to float [steps]; names that end in "accuracy" share the second panel, in percent. From
            1,000 steps on, each point is the mean over a block of steps.
        measured: further accuracies by name: after how many steps, and the values.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    rates = {name: series for name, series in values.items() if name.endswith("accuracy")}
    rest = {name: series for name, series in values.items() if name not in rates}
    groups = [("loss", rest, dict[str, tuple[np.ndarray, np.ndarray]]()), ("accuracy", rates, measured or {})]
    panels = [panel for panel in groups if panel[1] or panel[2]]
    figure = Figure(figsize=(8, 3.2 * len(panels)), dpi=100, layout="constrained")
    for number, (title, group, points) in enumerate(panels, 1):
        axes = figure.add_subplot(len(panels), 1, number, xlabel="step", ylabel=title)
        for name, series in group.items():
            steps, means = _in_blocks(np.asarray(series, np.float64))
            whole = name.endswith("/loss")
            axes.plot(steps, means, label=name, linewidth=1.5 if whole else 0.8)
        for name, (steps, shares) in points.items():
            axes.plot(steps, shares, label=name, linewidth=1.5, marker=".")
        if group is rates:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(fontsize="small")
    with replacing(path) as partial:
        figure.savefig(partial, format="png")


def _in_blocks(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = max(1, len(series) // CURVE_POINTS)
    starts = np.arange(0, len(series), size)
    counts = np.diff(np.append(starts, len(series)))
    return starts + (counts + 1) / 2, np.add.reduceat(series, starts) / counts
