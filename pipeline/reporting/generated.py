"""What the report says of generated images: figures in words, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.reporting.predictions import data_uri

# what `metrics.json` calls it: in words, and how to read it
FIGURES = {
    "samples": ("generated images", ""),
    "real_images": ("real images beside them", ""),
    "smallest_class_share": ("share of the rarest class", "0 where a class is never drawn"),
    "missing_class_mass": ("missing class mass", "0 where classes are as frequent as among real images"),
    "mean_confidence": ("mean confidence of the judge", "low where samples are not clearly of a class"),
    "judge_error": ("the judge's own error", "on real images that it was not trained on"),
    "judge_images": ("images that the judge was trained on", ""),
    "frechet_distance": ("Fréchet distance", "smaller is nearer to the real images"),
    "frechet_distance_of_training_images": ("that of training images", "what a perfect generator has"),
    "kernel_distance": ("kernel distance", "smaller is nearer"),
    "precision": ("precision", "share of the samples that lie among real images"),
    "recall": ("recall", "share of the real images that lie among samples: low where there is no variety"),
}
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
    if "generation" not in metrics:
        return None
    figures = metrics["generation"]
    drawn = sorted((folder / "train" / "samples").glob("step-*.png"))
    every = max(1, -(-len(drawn) // PICTURES))
    # counted from the end, so that the last is among them
    shown = drawn[::-1][::every][::-1]
    histogram = figures.get("class_histogram", {})
    return {
        "figures": [
            (FIGURES.get(name, (name.replace("_", " "), "")), value)
            for name, value in figures.items()
            if isinstance(value, int | float)
        ],
        "judged": figures["features"] == "judge",
        "histogram": histogram if len(histogram) <= LISTED_CLASSES else {},
        "most": max(histogram.values(), default=1.0),
        "samples": _picture(folder / "evaluate" / "samples.png"),
        "progress": [(int(path.stem.rpartition("-")[2]), _picture(path)) for path in shown],
    }


def _picture(path: Path) -> dict[str, Any]:
    from PIL import Image

    with Image.open(path) as image:
        return {"uri": data_uri(path.read_bytes()), "coarse": image.width < COARSE_WIDTH}
