"""What the report says of generated images: figures in words, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.reporting.predictions import data_uri
from pipeline.workspace import SAMPLES_FILE

PICTURES = 6
# below, a picture is one of few pixels, which a browser must not smooth
COARSE_WIDTH = 300
# beyond, a table with a row a class cannot be read
LISTED_CLASSES = 30


def generated_section(folder: Path, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """The section's values; None where generated images were not looked at.

    Args:
        folder: of one recipe in one draw.
        metrics: of its evaluation.
    """
    from ssgan_tf.metrics.figures import GENERATION, lines

    if GENERATION not in metrics:
        return None
    figures = metrics[GENERATION]
    drawn = sorted((folder / "train" / "samples").glob("step-*.png"))
    every = max(1, -(-len(drawn) // PICTURES))
    # counted from the end, so that the last is among them
    shown = drawn[::-1][::every][::-1]
    histogram = figures.get("class_histogram", {})
    return {
        "figures": list(lines(metrics, GENERATION)),
        "left_out": metrics["left_out"],
        "judged": figures.get("features") == "judge",
        "histogram": histogram if len(histogram) <= LISTED_CLASSES else {},
        "most": max(histogram.values(), default=1.0),
        "samples": _picture(folder / "evaluate" / SAMPLES_FILE),
        "progress": [(int(path.stem.rpartition("-")[2]), _picture(path)) for path in shown],
    }


def _picture(path: Path) -> dict[str, Any]:
    from PIL import Image

    with Image.open(path) as image:
        return {"uri": data_uri(path.read_bytes()), "coarse": image.width < COARSE_WIDTH}
