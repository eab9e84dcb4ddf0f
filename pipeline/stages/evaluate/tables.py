"""The figures of an evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.terminal import Terminal


def show_classification(metrics: Mapping[str, Any], terminal: Terminal) -> None:
    """Prints the figures of the classification, and those of each class."""
    from ssgan_tf.metrics.figures import CLASSIFICATION

    title = f"{metrics['recipe']} on {metrics['count']} images of split {metrics['split']}"
    _show(title, metrics, CLASSIFICATION, terminal)
    terminal.table(
        "per class",
        ("class", "precision", "recall", "F1", "images"),
        [
            (name, f"{row['precision']:.3f}", f"{row['recall']:.3f}", f"{row['f1']:.3f}", str(row["count"]))
            for name, row in metrics["per_class"].items()
        ],
    )


def show_generation(metrics: Mapping[str, Any], terminal: Terminal) -> None:
    """Prints the figures of generated images, and in a sentence what was left out."""
    from ssgan_tf.metrics.figures import GENERATION

    against = f" against split {metrics['split']}" if metrics["split"] else ""
    _show(f"{metrics['recipe']}: generated images{against}", metrics, GENERATION, terminal)
    for sentence in metrics["left_out"]:
        terminal.say(sentence)


def _show(title: str, metrics: Mapping[str, Any], section: str, terminal: Terminal) -> None:
    from ssgan_tf.metrics.figures import lines

    rows = [(line.title, line.text) for line in lines(metrics, section)]
    if rows:
        terminal.table(title, ("figure", "value"), rows)
