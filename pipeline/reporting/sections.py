"""What the report says, section by section, as plain values for its template."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.chain.artifacts import read_manifest
from pipeline.chain.config import RunConfig, as_document
from pipeline.chain.plan import chosen_model
from pipeline.evaluated import metrics_at
from pipeline.provenance import places_of, read_provenance
from pipeline.reporting import charts
from pipeline.reporting.generated import LISTED_CLASSES, generated_section
from pipeline.reporting.label_audit import audit_labels
from pipeline.reporting.lineage import check_results
from pipeline.reporting.paired import verdict
from pipeline.reporting.predictions import (
    Predictions,
    data_uri,
    surest,
    surest_mistakes,
)
from pipeline.reporting.seen import seen_section
from pipeline.workspace import Model, Workspace
from ssgan_tf.file_names import CURVES, HISTORY

if TYPE_CHECKING:
    import numpy as np

    from ssgan_tf.records import DatasetInfo

LISTED = 20
BLOCK = 512


def sections(config: RunConfig, workspace: Workspace, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Collects all of it; draws apart from the first appear in the answer only.

    Raises:
        DataError: a result is missing or damaged, or was made from another one than that beside it.
    """
    from ssgan_tf.metrics.figures import how_tested
    from ssgan_tf.records import DatasetInfo

    recipe = config.train.recipe
    model = chosen_model(config)
    others = [Model(name, recipe) for name in sorted(set(summary["figures"]) - {recipe})]
    models = {item.recipe: item for item in (model, *others)}
    check_results(workspace, list(models.values()), summary["seeds"])
    folder, data = workspace.model(config.seed, model), workspace.data(config.seed)
    info = DatasetInfo.load(data)
    metrics = metrics_at(folder / "evaluate", config.export.temperature)
    return {
        "recipe": recipe,
        "dataset": _short(config.data.dataset),
        "seeds": summary["seeds"],
        "answer": _answer(workspace, models, summary),
        "cross_fitted": how_tested(metrics["cross_fitted"]) if "cross_fitted" in metrics else None,
        "budget": _budget(info, config)
        | {name: metrics.get(name) for name in ("images_in_training", "images_like_training")}
        | {"untested": untested(info, metrics)},
        "seen": seen_section(info, folder / "train"),
        "files": read_provenance(data).get("files"),
        "listed": LISTED,
        "trust": (
            _trust(folder / "evaluate", metrics, info, config.export.abstain_below)
            if "error" in metrics
            else None
        ),
        "alone": _alone(metrics.get("certificate"), config.export.abstain_below),
        "tested": metrics.get("count", 0),
        "training": _training(
            {name: workspace.model(config.seed, item) / "train" for name, item in models.items()}
        ),
        "generation": generated_section(folder, metrics),
        "repeat": _repeat(config, folder / "train"),
        "workdir": shlex.quote(str(workspace.root)),
        "places": {name: summary[name] for name in ("classifier", "generator")},
    }


def _short(dataset: str) -> str:
    """The source's kind and, of its path, the last part."""
    kind, _, place = dataset.partition(":")
    return f"{kind}:{Path(place).name}" if place else kind


def _answer(
    workspace: Workspace, places: Mapping[str, Model], summary: Mapping[str, Any]
) -> dict[str, Any] | None:
    if not summary["figures"]:
        return None
    models = {}
    for name, figure in summary["figures"].items():
        folders = [workspace.result(seed, places[name], "evaluate") for seed in summary["seeds"]]
        draws = [metrics_at(folder) for folder in folders]
        models[name] = {**figure, "draws": [(draw["error"], *draw["error_interval"]) for draw in draws]}
    paired = summary.get("paired_difference")
    return {
        "models": models,
        "verdict": verdict(paired) if paired else None,
        "export_baseline": summary["export_baseline"],
        "baseline": paired["baseline"] if paired else None,
        "by_draw": list(zip(summary["seeds"], paired["by_draw"], strict=True)) if paired else [],
        "errors_chart": charts.errors_chart({name: model["draws"] for name, model in models.items()}),
    }


def _alone(promise: Mapping[str, Any] | None, given_below: float | None) -> dict[str, str]:
    """Whether the classifier may answer without a person: a word, how good that is, and why."""
    if promise is None:
        return {
            "word": "nobody knows",
            "kind": "",
            "text": "No error was promised: --certify-rate 0.2 --target-error 0.01 sets labelled images "
            "aside and says at which confidence it may.",
        }
    kinds = {"promised": ("yes, above a confidence", "good"), "refused": ("no", "bad")}
    word, kind = kinds.get(promise["state"], ("perhaps: an estimate", ""))
    if promise["state"] == "promised" and given_below not in (None, promise["threshold"]):
        word, kind = "not as exported", "bad"
    return {"word": word, "kind": kind, "text": promise["sentence"]}


def _budget(info: DatasetInfo, config: RunConfig) -> dict[str, Any]:
    document, provenance = info.document, read_provenance(info.folder)
    per_class = document["labels_per_class"]
    return {
        "shape": info.image_shape,
        "splits": {name: (split["count"], split["labelled"]) for name, split in info.splits.items()},
        "per_class": per_class if len(per_class) <= LISTED_CLASSES else {},
        "unlabelled": info.splits["train"]["count"] - info.splits["train"]["labelled"],
        "fewest": min(per_class.values(), default=0),
        "most": max(per_class.values(), default=0),
        "method": document["draw"]["method"],
        "digest": document["labelled_digest"],
        "audit": audit_labels(info, config.data),
        "duplicates": document["duplicates"]["across_splits"],
        "contradicted": sum(map(len, provenance.get("contradicted", []))),
    }


def untested(info: DatasetInfo, metrics: Mapping[str, Any]) -> int:
    """Images that have a label, of which a cross-fitted draw with all labels tests none of its models on."""
    if not metrics.get("cross_fitted") or info.document["draw"]["method"] != "all":
        return 0
    return int(info.splits["train"]["labelled"] - metrics["cross_fitted"]["images"])


def _trust(
    evaluated: Path, metrics: Mapping[str, Any], info: DatasetInfo, given_below: float | None = None
) -> dict[str, Any]:
    from ssgan_tf.metrics.calibration import equal_mass_sums, risk_coverage
    from ssgan_tf.metrics.figures import CLASSIFICATION, lines, tested_on

    predictions = Predictions.load(evaluated, metrics["temperature"])
    images = _images(info, metrics, predictions)
    # a person wants the file, not the record's opaque key
    places = places_of(info.folder, predictions.keys)
    predictions = replace(predictions, keys=[places.get(key, key) for key in predictions.keys])
    matrix, names = metrics["confusion_matrix"], info.class_names
    pairs = sorted(
        (
            (count, names[truth], names[said])
            for truth, row in enumerate(matrix)
            for said, count in enumerate(row)
            if count and truth != said
        ),
        reverse=True,
    )
    answers = (predictions.probabilities, predictions.labels)
    _, coverage, risk = risk_coverage(*answers)
    before = None
    if metrics["temperature"] != 1:
        before = equal_mass_sums(Predictions.load(evaluated).probabilities, predictions.labels)
    return {
        "metrics": metrics,
        "figures": list(lines(metrics, CLASSIFICATION)),
        "promise": metrics.get("certificate"),
        "foreign": metrics.get("foreign"),
        "abstain_below": given_below,
        "reliability_chart": charts.reliability_chart(equal_mass_sums(*answers), before),
        "abstention_chart": charts.abstention_chart(coverage, risk),
        "tested_on": tested_on(metrics),
        "cross_fitted": metrics.get("cross_fitted"),
        "slices": metrics.get("slices", []),
        "worst_slice": metrics.get("worst_slice"),
        "no_slices": metrics.get("slices_left_out"),
        "class_names": names,
        "matrix": matrix if len(names) <= LISTED_CLASSES else None,
        # where a phone shows them in place of the matrix, all of them
        "pairs": pairs if len(names) <= LISTED_CLASSES else pairs[:LISTED],
        "mistakes": surest_mistakes(predictions, images, names),
    }


def _images(info: DatasetInfo, metrics: Mapping[str, Any], predictions: Predictions) -> dict[int, np.ndarray]:
    """The images of the surest mistakes, by their numbers among the answers.

    Those of a cross-fitted draw lie in the training split of the whole.
    """
    from ssgan_tf.records import iterate_split

    wanted = {predictions.keys[number]: number for number in surest(predictions)}
    found: dict[int, np.ndarray] = {}
    for split in info.splits if metrics.get("cross_fitted") else [metrics["split"]]:
        if len(found) == len(wanted):
            break
        for part in iterate_split(info, split, BLOCK):
            for number, key in enumerate(part.keys):
                if key in wanted:
                    found[wanted[key]] = part.images[number]
    return found


def _training(folders: Mapping[str, Path]) -> list[dict[str, Any]]:
    import numpy as np

    found = []
    for recipe, folder in folders.items():
        manifest = read_manifest(folder)
        with np.load(folder / HISTORY, allow_pickle=False) as history:
            seconds = float(history["call_seconds"].sum())
            epochs = _epochs(history)
        found.append(
            {
                "recipe": recipe,
                "steps": manifest.summary["steps"] if manifest else 0,
                "parameters": manifest.summary["parameters"] if manifest else {},
                "seconds": seconds,
                "curves": data_uri((folder / CURVES).read_bytes()),
                "epochs": epochs,
            }
        )
    return found


def _epochs(history: Mapping[str, Any]) -> dict[str, Any]:
    """A table of what a training recorded by epoch: losses, and accuracies as shares of 1."""
    import numpy as np

    names, first = history["names"].tolist(), int(history["first_step"])
    columns = [number for number, name in enumerate(names) if name.endswith(("/loss", "accuracy"))]
    measured = dict(zip(history["validation_steps"].tolist(), history["validation_accuracy"], strict=True))
    rows, begun = [], 0
    for title, end in zip(history["period_titles"].tolist(), history["period_ends"].tolist(), strict=True):
        steps = history["values"][max(0, begun - first) : max(0, end - first)]
        if len(steps):
            means: list[float | None] = [float(np.mean(steps[:, i], dtype=np.float64)) for i in columns]
            if measured:
                means.append(float(measured[end][0]) if end in measured else None)
            rows.append((title, end, means))
        begun = end
    heads = [names[column] for column in columns] + (["validation/accuracy"] if measured else [])
    return {"heads": heads, "rows": rows}


def _repeat(config: RunConfig, trained: Path) -> dict[str, Any]:
    import yaml

    manifest = read_manifest(trained)
    return {
        "config": yaml.safe_dump(as_document(config), sort_keys=False),
        "versions": dict(manifest.fingerprint.versions) if manifest else {},
        "digest": manifest.digest if manifest else "",
    }
