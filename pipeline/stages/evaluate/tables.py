"""The figures of an evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.terminal import Terminal

SLICES = 20


def show_classification(metrics: Mapping[str, Any], terminal: Terminal) -> None:
    """Prints the figures of the classification, and those of each class."""
    from ssgan_tf.metrics.figures import CLASSIFICATION, FRACTION, how_tested, in_words, tested_on

    _show(f"{metrics['recipe']} {tested_on(metrics)}", metrics, CLASSIFICATION, terminal)
    if crossed := metrics.get("cross_fitted"):
        errors = ", ".join(in_words(error, FRACTION) for error in crossed["errors"])
        terminal.say(f"{how_tested(crossed)} Errors by fold: {errors}.")
    sentences = ("promise", "labels_remaining", "worst_slice", "slices_left_out")
    for sentence in map(metrics.get, sentences):
        if sentence:
            terminal.say(sentence)
    if metrics.get("foreign"):
        terminal.table(
            f"telling {metrics['foreign_images']:,} foreign images from held-out ones",
            ("score", "AUROC", "pass, where 95 % of held-out ones do"),
            [
                (name, f"{row['auroc']:.3f}", f"{row['false_positive_rate']:.1%}")
                for name, row in metrics["foreign"].items()
            ],
        )
    terminal.table(
        "per class",
        ("class", "precision", "recall", "95 % interval", "F1", "images"),
        [
            (
                name,
                f"{row['precision']:.3f}",
                f"{row['recall']:.3f}",
                _span(row["recall_interval"]),
                f"{row['f1']:.3f}",
                str(row["count"]),
            )
            for name, row in metrics["per_class"].items()
        ],
    )
    if slices := metrics.get("slices"):
        _show_slices(slices, terminal)
    terminal.table(
        "if it abstained below a confidence",
        ("threshold", "answered", "95 % interval", "mistakes", "error among them", "95 % interval"),
        [
            (
                f"{row['below']:g}" if row["below"] else "none",
                f"{row['coverage']:.1%}",
                _span(row["coverage_interval"]),
                f"{row['mistakes']:,} of {row['answered']:,}",
                f"{row['error']:.1%}" if row["answered"] else "",
                _span(row["error_interval"]) if row["answered"] else "",
            )
            for row in metrics["abstention"]
        ],
    )


def _show_slices(rows: Sequence[Mapping[str, Any]], terminal: Terminal) -> None:
    largest = sorted(rows, key=lambda row: -row["error"])[:SLICES]
    more = f", the {SLICES} of {len(rows):,} with the largest error" if len(rows) > SLICES else ""
    terminal.table(
        f"by slice{more}",
        ("slice", "error", "95 % interval", "mistakes", "by chance"),
        [
            (
                f"{row['column']} = {row['value'] or '(none)'}",
                f"{row['error']:.1%}",
                _span(row["error_interval"]),
                f"{row['wrong']:,} of {row['count']:,}",
                f"{row['chance']:.2g}",
            )
            for row in largest
        ],
    )


def _span(interval: Sequence[float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def show_generation(metrics: Mapping[str, Any], terminal: Terminal) -> None:
    """Prints the figures of generated images, and in a sentence what was left out."""
    from ssgan_tf.metrics.figures import GENERATION

    against = f" against split {metrics['split']}" if metrics["split"] else ""
    _show(f"{metrics['recipe']}: generated images{against}", metrics, GENERATION, terminal)
    for sentence in metrics["left_out"]:
        terminal.say(sentence)


def _show(title: str, metrics: Mapping[str, Any], section: str, terminal: Terminal) -> None:
    from ssgan_tf.metrics.figures import CLASSIFICATION, TEXT, lines

    # sentences do not fit into a table
    apart = (CLASSIFICATION, TEXT)
    found = (line for line in lines(metrics, section) if (line.section, line.unit) != apart)
    rows = [(line.title, line.text) for line in found]
    if rows:
        terminal.table(title, ("figure", "value"), rows)
