"""The evaluate stage: a trained model and held-out data to `metrics.json`.

A system that classifies is tested on the held-out split; the images of a system that generates are
compared with held-out real ones. A system may do both, one of them, but never neither. Of a cross-fitted
draw the folds are tested first; the evaluation of the whole pools their answers. What is computed is the
list in `ssgan_tf.metrics.evaluators`; this stage brings what they need.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.stages.evaluate.settings import EvaluateConfig
from pipeline.stages.evaluate.tables import show_classification, show_generation
from pipeline.terminal import Terminal
from pipeline.workspace import METRICS_FILE, SAMPLES_FILE

if TYPE_CHECKING:
    from pipeline.stages.evaluate.contents import Contents
    from ssgan_tf.records import DatasetInfo

SAMPLE_SEED = 1
PICTURED = 512


def run(
    config: EvaluateConfig,
    *,
    model: Path,
    data: Path,
    output: Path,
    terminal: Terminal,
    model_digest: str | None = None,
    data_digest: str | None = None,
    fold: int | None = None,
    folds: Sequence[Path] = (),
) -> dict[str, Any]:
    """Evaluates the averaged weights; writes `metrics.json`, `predictions.npz` and `samples.png`.

    Args:
        config: which split, how, and how many generated images.
        model: folder of the train stage.
        data: folder of prepared data.
        output: gets the files.
        terminal: shows progress and tables.
        model_digest, data_digest: of the two artifacts, to be recorded.
        fold: the model is one of a fold; generated images are not looked at then.
        folds: the evaluations of the draw's folds, whose answers take the place of a held-out split.

    Returns:
        The metrics: figures of the classification at the top level (`error`, a fraction), those of the
        generation below `generation`; `figures` describes them, `left_out` says in sentences which
        figures are missing, and why.

    Raises:
        DataError: the split is absent or empty, some of its images are in the training split too, or the
            model is damaged or of other data.
    """
    from pipeline.evaluated import stored_answers
    from pipeline.stages.evaluate.classification import of_split, of_splits_aside, save
    from pipeline.stages.evaluate.contents import count_alike, read_contents
    from pipeline.stages.evaluate.foreign import of_foreign
    from pipeline.stages.evaluate.generation import GenerationInputs
    from pipeline.stages.evaluate.pooled import PooledAnswers
    from pipeline.stages.evaluate.slices import slices_of
    from ssgan_tf.metrics.evaluators import evaluate
    from ssgan_tf.metrics.figures import CLASSIFICATION, DESCRIPTIONS, GENERATION, document
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.training.trained import load_trained

    info = DatasetInfo.load(data)
    trained = load_trained(model, info)
    classifies = trained.system.classifier is not None
    pooled = PooledAnswers(trained, folds) if classifies and folds else None
    contents = _held_out(info, config.split, needed=classifies) if pooled is None else None
    training = read_contents(info, "train")
    made_from = {"model": model_digest, "data": data_digest}
    metrics: dict[str, Any] = {
        "recipe": trained.record.recipe,
        "split": config.split if contents else None,
        "step": trained.step,
        "made_from": {name: digest for name, digest in made_from.items() if digest},
    }
    if contents:
        alike = count_alike(contents, training, config.split)
        metrics |= {"images_in_training": 0, "images_like_training": alike}
        if alike:
            terminal.warn(
                f"{alike} of {len(contents.labels)} images of split {config.split} look the same as a "
                "training image at this size, though their files differ; a larger --image-size tells them "
                "apart."
            )
    descriptions: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    stored: dict[str, Any] = {}
    if pooled:
        stored = pooled.stored
        metrics |= {"images_in_training": 0, "images_like_training": pooled.like_training}
        metrics["cross_fitted"] = pooled.summary
    if contents and classifies:
        stored = of_split(config, trained, info, contents, terminal)
    if stored:
        if fold is None:
            stored = stored | of_splits_aside(config, trained, info, training, terminal)
            stored |= slices_of(data, stored["keys"].tolist())
            if config.foreign:
                stored = stored | of_foreign(config, trained, info, contents, terminal)
        save(output, stored)
        asked = {} if fold is not None else config.asked
        answers = stored_answers(
            stored,
            class_names=trained.record.class_names,
            calibration_bins=config.calibration_bins,
            asked=asked,
            temperature=config.temperature,
        )
        figures, missed = evaluate(CLASSIFICATION, answers)
        values, described = document(CLASSIFICATION, figures)
        metrics = values | metrics | {"calibration_bins": config.calibration_bins, "asked": asked}
        if fold is None and answers.aside and not (config.target_error or config.alpha):
            terminal.warn(
                f"{len(answers.aside.labels):,} images are set aside for a promise, and none is asked for: "
                "--target-error 0.01"
            )
        descriptions += described
        left_out |= missed
    if trained.system.generator is not None and config.samples and fold is None:
        generated = GenerationInputs(config, trained, info, contents, training, terminal)
        figures, missed = evaluate(GENERATION, generated)
        metrics[GENERATION], described = document(GENERATION, figures)
        descriptions += described
        left_out |= missed
        (output / SAMPLES_FILE).write_bytes(generated.picture(SAMPLE_SEED, PICTURED))
    metrics |= {DESCRIPTIONS: descriptions, "left_out": _sentences(left_out)}
    if CLASSIFICATION in {described["section"] for described in descriptions}:
        if fold is None:
            show_classification(metrics, terminal)
        else:
            terminal.say(f"  {metrics['wrong']} of {metrics['count']} images answered wrongly")
    if GENERATION in metrics:
        show_generation(metrics, terminal)
    (output / METRICS_FILE).write_text(json.dumps(metrics, indent=1) + "\n")
    return metrics


def _held_out(info: DatasetInfo, name: str, *, needed: bool) -> Contents | None:
    """What is in the split; None where there is none and only samples are looked at."""
    from pipeline.stages.evaluate.contents import read_contents

    if info.splits.get(name, {}).get("count"):
        return read_contents(info, name)
    if needed:
        raise DataError(f"split {name!r} of {str(info.folder)!r} holds no image.")
    return None


def _sentences(left_out: dict[str, str]) -> list[str]:
    """One sentence for each reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        by_reason.setdefault(reason, []).append(name)
    return [f"Left out: {' and '.join(names)}. The reason: {reason}." for reason, names in by_reason.items()]
