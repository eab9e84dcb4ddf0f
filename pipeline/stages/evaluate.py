"""The evaluate stage: a trained model and held-out data to `metrics.json`.

A system that classifies is tested on the held-out split; the images of a system that generates are
compared with held-out real ones. A system may do both, one of them, but never neither.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import EvaluateConfig
from pipeline.errors import DataError
from pipeline.terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from ssgan_tf.records import DatasetInfo, Split
    from ssgan_tf.training.trained import Trained

NAME = "evaluate"
SAMPLE_SEED = 1
PICTURED = 512


def run(
    config: EvaluateConfig, *, model: Path, data: Path, output: Path, terminal: Terminal
) -> dict[str, Any]:
    """Evaluates the averaged weights; writes `metrics.json`, `predictions.npz` and `samples.png`.

    Args:
        config: which split, how, and how many generated images.
        model: folder of the train stage.
        data: folder of prepared data.
        output: gets the files.
        terminal: shows the tables.

    Returns:
        The metrics; `error`, a fraction, at the top level where the system classifies, and `generation`
        where it generates.

    Raises:
        DataError: the split is absent or empty, or the model is damaged or of other data.
    """
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.training.trained import load_trained

    info = DatasetInfo.load(data)
    trained = load_trained(model, info)
    name, split = _held_out(info, config.split, trained.system.classifier is not None)
    metrics: dict[str, Any] = {"recipe": trained.record.recipe, "split": name, "step": trained.step}
    if trained.system.classifier is not None:
        metrics = _classify(config, trained, split, output, terminal) | metrics
        _show_classification(metrics, terminal)
    if trained.system.generator is not None and config.samples:
        metrics["generation"] = _generate(config, trained, info, split, output, terminal)
        _show_generation(metrics, terminal)
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    return metrics


def _held_out(info: DatasetInfo, name: str, needed: bool) -> tuple[str, Split]:
    """The split, or the training split where only samples are compared and there is no other."""
    from ssgan_tf.records import read_split

    for candidate in (name,) if needed else (name, "train"):
        if info.splits.get(candidate, {}).get("count"):
            return candidate, read_split(info, candidate)
    raise DataError(f"split {name!r} of {str(info.folder)!r} holds no image.")


def _classify(
    config: EvaluateConfig, trained: Trained, split: Split, output: Path, terminal: Terminal
) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf

    from ssgan_tf.metrics.classification import classification_metrics, softmax

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
    np.savez_compressed(
        output / "predictions.npz",
        keys=np.array(split.keys),
        labels=split.labels,
        logits=np.concatenate(logits).astype(np.float32),
        real_scores=np.concatenate(scores).astype(np.float32),
    )
    return classification_metrics(
        softmax(np.concatenate(logits)), split.labels, trained.record.class_names, config.calibration_bins
    )


def _generate(
    config: EvaluateConfig,
    trained: Trained,
    info: DatasetInfo,
    split: Split,
    output: Path,
    terminal: Terminal,
) -> dict[str, Any]:
    import numpy as np
    import tensorflow as tf

    from ssgan_tf.metrics.generation import class_coverage, distances, principal_components
    from ssgan_tf.metrics.judge import train_judge
    from ssgan_tf.records import read_split

    generated = _samples(config, trained, info, terminal)
    training = read_split(info, "train")
    judge = train_judge(
        np.concatenate([split.images, training.images]),
        np.concatenate([split.labels, training.labels]),
        info.num_classes,
    )
    real, compared = split.images[: config.samples], training.images[: config.samples]
    metrics: dict[str, Any] = {"samples": len(generated), "real_images": len(real)}
    if judge is not None:
        probabilities, features = judge.look(generated)
        real_probabilities, real_features = judge.look(real)
        metrics |= class_coverage(probabilities, real_probabilities, info.class_names)
        metrics |= {"judge_error": judge.error, "judge_images": judge.images, "features": "judge"}
        metrics |= distances(real_features, features, judge.look(compared)[1])
    else:
        vectors = [trained.system.vectors(images) for images in (real, generated, compared)]
        metrics |= {"features": "principal components"} | distances(*principal_components(*vectors))
    metrics |= trained.system.sample_metrics(generated)
    picture = trained.system.picture(trained.networks, SAMPLE_SEED, training.images[:PICTURED])
    (output / "samples.png").write_bytes(tf.io.encode_png(picture).numpy())
    return metrics


def _samples(config: EvaluateConfig, trained: Trained, info: DatasetInfo, terminal: Terminal) -> np.ndarray:
    """Generated images at the records' size, uint8 [samples, H, W, C], from a fixed seed."""
    import numpy as np
    import tensorflow as tf

    from ssgan_tf import pixels

    height, width, _ = info.image_shape

    @tf.function(reduce_retracing=True)
    def images(latent: tf.Tensor) -> tf.Tensor:
        return pixels.fit(trained.system.generate(trained.networks, latent), height, width)

    latent = trained.system.latent(config.samples, SAMPLE_SEED)
    parts = []
    with terminal.progress(f"generate {trained.record.recipe}", config.samples) as progress:
        for start in range(0, config.samples, config.batch_size):
            parts.append(images(latent[start : start + config.batch_size]).numpy())
            progress.update(min(start + config.batch_size, config.samples))
    return np.concatenate(parts)


def _show_classification(metrics: dict[str, Any], terminal: Terminal) -> None:
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


def _show_generation(metrics: dict[str, Any], terminal: Terminal) -> None:
    """Every single number of the generation metrics; lists and histograms stay in the file."""
    figures = {
        name: value
        for name, value in metrics["generation"].items()
        if isinstance(value, int | float | str) or (isinstance(value, list) and len(value) <= 4)
    }
    terminal.table(
        f"{metrics['recipe']}: generated images against split {metrics['split']}",
        ("figure", "value"),
        [(name.replace("_", " "), _shown(value)) for name, value in figures.items()],
    )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
