"""The model card: what a served version was trained on, how, and how good it is, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ssgan_tf.metrics.figures import CLASSIFICATION, GENERATION, NATS, how_tested, in_words, lines, tested_on
from ssgan_tf.records import DatasetInfo
from ssgan_tf.savedmodel import ALWAYS_ABSTAINS, Confidence
from ssgan_tf.training.options import MOVING
from ssgan_tf.training.trained import TrainingRecord

_CLASSIFIER = """\
| signature | input | output |
|---|---|---|
| `serving_default` | `image` float32 [B, {shape}], 0..255 | all below |
| `serving_uint8` | `image` uint8 [B, {shape}] | all below |
| `serving_bytes` | `image_bytes` string [B]: PNG, JPEG, BMP of any size (`ganpipe serve`: more) | all below |
| `classify` | `inputs` string [B]: `tf.train.Example` with `image/encoded` | `classes`, `scores` [B, K] |

`probabilities` [B, K], `class_id` [B], `label` [B], `confidence` [B], `real_score` [B] (how much the input
looks like the training images, 0..1) and `abstain` [B] (confidence below {abstain_below:g}){sets}. The logits
are divided by the temperature {temperature:g}. The answers are numbers of a model, not facts: images unlike
the training images get an answer too, with a `real_score` to judge it by, and with `looks_familiar`, the
share of held-out images that look no more familiar. `features` and `features_bytes` answer the layer before
the logits.
"""
_MARKS = re.compile(r"([\\`|<])")
_SETS = "; and\n`labels_that_remain` [B, K] (the most probable first, then empty)"
_GENERATOR = """\
| signature | input | output |
|---|---|---|
| `generate`, `serving_default` | `z` float32 [B, Z] | `images` uint8 [B, H, W, C] |
| `sample` | `count` and `seed`, int32 | `images` uint8 [count, H, W, C] |
"""


def model_card(
    kind: str,
    *,
    record: TrainingRecord,
    step: int,
    info: DatasetInfo,
    metrics: Mapping[str, Any] | None,
    confidence: Confidence,
    digest: str,
) -> str:
    """Writes the card's text.

    Args:
        kind: "classifier" or "generator".
        record: what was trained.
        step: steps trained.
        info: the prepared data.
        metrics: the evaluation's figures, if there was one.
        confidence: temperature and threshold of the classifier.
        digest: sha256 of the weights.
    """
    shape = ", ".join(map(str, record.image_shape))
    signatures = _CLASSIFIER if kind == "classifier" else _GENERATOR
    parts = [
        f"# {kind.capitalize()} of recipe {record.recipe}",
        "",
        signatures.format(
            shape=shape,
            temperature=confidence.temperature,
            abstain_below=confidence.abstain_below,
            sets=_SETS if confidence.label_lows else "",
        ),
        "## Data",
        *_data(info),
        "",
    ]
    of_classifier = kind == "classifier"
    if of_classifier:
        parts += ["## When it answers", *_promises(confidence), ""]
        parts += ["## Figures", *_figures(metrics, CLASSIFICATION), ""]
    else:
        parts += ["## Figures", *_figures(metrics, GENERATION), ""]
    parts += [
        "## Training",
        f"- recipe: {record.recipe}, {step} steps, seed {record.seed}, {record.dtype}; averaged weights",
        # a training of an earlier version names none
        *([f"- batch_statistics: {record.loop.get('batch_statistics', MOVING)}"] if of_classifier else []),
        *(f"- {name}: {value}" for name, value in record.settings.items()),
        f"- sha256 of the weights: `{digest}`",
    ]
    return "\n".join(parts) + "\n"


def when_it_abstains(confidence: Confidence) -> str:
    """Says it in a sentence."""
    below = confidence.abstain_below
    if below >= ALWAYS_ABSTAINS:
        return "It abstains from every image (`ganpipe export --abstain-below 0` answers them all the same)."
    return f"It abstains below a confidence of {below:g}." if below else "It always answers."


def _promises(confidence: Confidence) -> list[str]:
    """What is promised of the answers, and of the labels that remain."""
    told = [item["sentence"] for item in (confidence.promise, confidence.label_sets) if item]
    told.insert(0, when_it_abstains(confidence))
    if confidence.promise is None:
        told[0] += " Nothing is promised of the error among its answers."
    return [line for sentence in told for line in (sentence, "")][:-1]


def _data(info: DatasetInfo) -> list[str]:
    document = info.document
    lines = []
    source = document.get("source")
    if isinstance(source, Mapping):
        told = ", ".join(f"{key} {value}" for key, value in sorted(source.items()))
        lines.append(f"- source: {_as_text(told)}")
    shape, framing = " x ".join(map(str, info.image_shape)), info.framing
    lines.append(f"- records: {shape}, of files by resize={framing.resize}, background {framing.background}")
    for name, split in info.splits.items():
        labelled = f", {split['labelled']} of them labelled" if "labelled" in split else ""
        lines.append(f"- {name}: {split['count']} images{labelled}")
    if info.class_names:
        lines.append(f"- classes ({info.num_classes}): {_as_text(', '.join(info.class_names))}")
    if "labelled_digest" in document:
        lines.append(f"- digest of the labelled keys: `{document['labelled_digest']}`")
    return lines


def _figures(metrics: Mapping[str, Any] | None, section: str) -> list[str]:
    """The figures of a section, as a table."""
    found = list(lines(metrics or {}, section))
    missing = list((metrics or {}).get("left_out", ())) if section == GENERATION else []
    if not metrics or not found:
        return missing or ["The model was exported without an evaluation."]
    text = ["Of generated images:", ""]
    if section == CLASSIFICATION:
        at = f", at the temperature {metrics['temperature']:g}" if metrics.get("temperature", 1) != 1 else ""
        place = tested_on(metrics)
        text = [f"{place[0].upper()}{place[1:]}{at}:", ""]
        if metrics.get("cross_fitted"):
            text[:0] = [how_tested(metrics["cross_fitted"]), ""]
    text += ["| figure | value |", "|---|---|"]
    for line in found:
        unit = f" ({line.unit})" if line.unit == NATS else ""
        text.append(f"| {line.title}{unit} | {_plain(line.value)} |")
        if line.interval:
            low, high = line.interval
            text.append(f"| {line.title}, 95 % interval | {low:.4g} to {high:.4g} |")
    return [
        *text,
        "",
        *missing,
        *(_classes(metrics) if section == CLASSIFICATION and "per_class" in metrics else ()),
    ]


def _classes(metrics: Mapping[str, Any]) -> list[str]:
    """Recall of each class, and what abstaining would give, with 95 % intervals."""
    text = ["| class | images | recall | 95 % interval |", "|---|---|---|---|"]
    for name, row in metrics["per_class"].items():
        text.append(
            f"| {_as_text(name)} | {row['count']} | {row['recall']:.4g} | {_span(row['recall_interval'])} |"
        )
    text += ["", "| abstaining below | answered | 95 % interval | error among them | 95 % interval |"]
    text.append("|---|---|---|---|---|")
    for row in metrics["abstention"]:
        error = f"{row['error']:.4g} | {_span(row['error_interval'])}" if row["answered"] else " | "
        answered = f"{row['coverage']:.4g} | {_span(row['coverage_interval'])}"
        text.append(f"| {row['below']:g} | {answered} | {error} |")
    return text


def _span(interval: Sequence[float]) -> str:
    return f"{interval[0]:.4g} to {interval[1]:.4g}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return _as_text(in_words(value))


def _as_text(words: str) -> str:
    """What the user named, so that Markdown shows it as it is: in one line and one cell, and no HTML."""
    return _MARKS.sub(r"\\\1", " ".join(words.splitlines()))
