"""The evaluate stage: a trained model and held-out data to `metrics.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.config import EvaluateConfig
from pipeline.errors import DataError
from pipeline.terminal import Terminal

NAME = "evaluate"


def run(
    config: EvaluateConfig, *, model: Path, data: Path, output: Path, terminal: Terminal
) -> dict[str, Any]:
    """Evaluates the averaged weights and writes `metrics.json` and `predictions.npz`.

    Args:
        config: which split, and how.
        model: folder of the train stage.
        data: folder of prepared data.
        output: gets the two files.
        terminal: shows the table.

    Returns:
        The metrics; `error`, a fraction, at the top level where the system classifies.

    Raises:
        DataError: the split is absent or empty, or the model is damaged or of other data.
    """
    import numpy as np
    import tensorflow as tf

    from ssgan_tf.metrics.classification import classification_metrics, softmax
    from ssgan_tf.records import DatasetInfo, read_split
    from ssgan_tf.training.trained import load_trained

    info = DatasetInfo.load(data)
    trained = load_trained(model)
    if trained.record.image_shape != info.image_shape or trained.record.class_names != info.class_names:
        raise DataError(
            f"{str(model)!r} was trained on images {list(trained.record.image_shape)} with "
            f"{len(trained.record.class_names)} classes; {str(data)!r} has {list(info.image_shape)} "
            f"with {info.num_classes}."
        )
    split = read_split(info, config.split)
    if not len(split.images):
        raise DataError(f"split {config.split!r} of {str(data)!r} holds no image.")

    @tf.function(reduce_retracing=True)
    def outputs(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return (
            trained.system.class_logits(trained.networks, images),
            trained.system.real_score(trained.networks, images),
        )

    logits, scores = [], []
    with terminal.progress(f"evaluate {trained.record.recipe}", len(split.images)) as progress:
        for start in range(0, len(split.images), config.batch_size):
            batch = split.images[start : start + config.batch_size]
            batch_logits, batch_scores = outputs(tf.constant(batch))
            logits.append(batch_logits.numpy())
            scores.append(batch_scores.numpy())
            progress.update(start + len(batch))
    probabilities = softmax(np.concatenate(logits))
    metrics = classification_metrics(probabilities, split.labels, info.class_names, config.calibration_bins)
    metrics |= {"recipe": trained.record.recipe, "split": config.split, "step": trained.step}
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    np.savez_compressed(
        output / "predictions.npz",
        keys=np.array(split.keys),
        labels=split.labels,
        logits=np.concatenate(logits).astype(np.float32),
        real_scores=np.concatenate(scores).astype(np.float32),
    )
    _show(metrics, terminal)
    return metrics


def _show(metrics: dict[str, Any], terminal: Terminal) -> None:
    low, high = metrics["error_interval"]
    terminal.table(
        f"{metrics['recipe']} on {metrics['count']} images of split {metrics['split']}",
        ("figure", "value"),
        [
            ("error", f"{metrics['error']:.2%} ({low:.2%} to {high:.2%})"),
            ("negative log-likelihood", f"{metrics['negative_log_likelihood']:.4f}"),
            ("Brier score", f"{metrics['brier']:.4f}"),
            ("expected calibration error", f"{metrics['expected_calibration_error']:.4f}"),
        ],
    )
    terminal.table(
        "per class",
        ("class", "precision", "recall", "F1", "images"),
        [
            (name, f"{row['precision']:.3f}", f"{row['recall']:.3f}", f"{row['f1']:.3f}", str(row["count"]))
            for name, row in metrics["per_class"].items()
        ],
    )
