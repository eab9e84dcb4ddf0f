"""Stage `export`: a trained model to SavedModels that TensorFlow Serving loads, checked before they count.

classifier/VERSION/     SavedModel, class names, warm-up requests, model card
generator/VERSION/      SavedModel, warm-up requests, model card

The versions that were exported before stay beside the new one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.evaluated import metrics_at
from pipeline.stages.export.settings import ExportConfig
from pipeline.terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from pipeline.exported.prediction_log import Request
    from pipeline.stages.export.check_cases import Case
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.reference import Reference
    from ssgan_tf.savedmodel import Confidence
    from ssgan_tf.systems.recipe import Networks, System
    from ssgan_tf.training.trained import Trained


@dataclass(frozen=True)
class _Inputs:
    """What both SavedModels are made from; `networks` are the averaged ones in float32."""

    config: ExportConfig
    version: int
    content: str
    trained: Trained
    info: DatasetInfo
    system: System
    networks: Networks
    confidence: Confidence
    metrics: dict[str, Any] | None
    reference: Reference | None


@dataclass(frozen=True)
class _Draft:
    """A SavedModel that is not published yet, and what a fresh process must answer."""

    kind: str
    folder: Path
    cases: list[Case]


def run(
    config: ExportConfig,
    *,
    model: Path,
    data: Path,
    metrics: Path | None,
    output: Path,
    terminal: Terminal,
    content: str = "",
    previous: Path | None = None,
    is_intact: Callable[[str], bool] = lambda below: True,
) -> dict[str, Any]:
    """Exports the averaged weights: the classifier and the generator, where the system has them.

    Args:
        config: version, formats, and how many images the check takes.
        model: folder of the train stage.
        data: folder of prepared data; the check's images come from its test split.
        metrics: folder of the evaluate stage, for the model card, or None.
        output: existing folder; gets `classifier/VERSION` and `generator/VERSION`.
        terminal: for progress.
        content: digest of all that decides what is exported: a version of the same has the same number.
        previous: the export that is there, whose versions stay, or None.
        is_intact: whether the files below a path of `previous` are as they were written.

    Returns:
        `version`, `versions` (all that are there then), and for each kind `{"path" (relative to output),
        "parameters", "variable_bytes", "weights_sha256", "max_difference", ...}`.

    Raises:
        DataError: model or data are absent, damaged or do not belong together.
        UsageError: a format's converter is not installed.
        GateRefused: a fresh process does not get the answers of the trained model; nothing is left.
    """
    from pipeline.exported.versions import carry_over, choose_version, contents_of
    from pipeline.stages.export.check import check_savedmodels
    from pipeline.stages.export.converters import check_converters, convert
    from pipeline.stages.export.promises import confidence_of
    from ssgan_tf.familiar_images import make_reference
    from ssgan_tf.records import DatasetInfo
    from ssgan_tf.savedmodel import in_float32
    from ssgan_tf.training.trained import load_trained

    formats = tuple(config.format.split(","))
    check_converters(formats)
    there = contents_of(previous) if previous else {}
    version = choose_version(there, content, config.version)
    info = DatasetInfo.load(data)
    trained = load_trained(model, info)
    system, networks = in_float32(trained)
    figures = metrics_at(metrics, config.temperature) if metrics else None
    confidence, figures = confidence_of(config, figures)
    if system.classifier is not None:
        _tell_confidence(confidence, terminal)
        reference = make_reference(info, system, networks, confidence.temperature)
        _tell_reference(reference, terminal)
    else:
        reference = None
    inputs = _Inputs(
        config, version, content, trained, info, system, networks, confidence, figures, reference
    )
    images = _check_images(info, config.check_images)
    try:
        drafts = []
        if system.classifier is not None:
            drafts.append(_draft_classifier(inputs, images, output))
        if system.generator is not None:
            drafts.append(_draft_generator(inputs, output))
        differences = check_savedmodels({draft.folder: draft.cases for draft in drafts})
        summary: dict[str, Any] = {"version": version}
        for draft in drafts:
            found = _figures(inputs, draft) | {"max_difference": differences[draft.folder]}
            if draft.kind == "classifier":
                found |= {
                    name: convert(name, draft.folder, images) for name in formats if name != "savedmodel"
                }
            summary[draft.kind] = {"path": f"{draft.kind}/{version}", **found}
            worst = max(found["max_difference"].values())
            terminal.say(
                f"{draft.kind}: a fresh process answers {len(found['max_difference'])} signatures as "
                f"training does (largest difference {worst:.2g})"
            )
        for draft in drafts:
            draft.folder.rename(draft.folder.with_name(str(version)))
        summary["versions"] = [version]
        if previous:
            summary["versions"], damaged = carry_over(
                previous, output, new=version, keep=config.keep, is_intact=is_intact
            )
            if damaged:
                terminal.warn(f"left out, as it is damaged: {', '.join(damaged)}")
        _tell_versions(version, summary["versions"], terminal)
    except BaseException:
        for kind in ("classifier", "generator"):
            shutil.rmtree(output / kind, ignore_errors=True)
        raise
    return summary


def _tell_confidence(confidence: Confidence, terminal: Terminal) -> None:
    from pipeline.stages.export.model_card import when_it_abstains

    for item in (confidence.promise, confidence.label_sets):
        if item:
            terminal.say(item["sentence"])
    if confidence.abstain_below:
        terminal.say(when_it_abstains(confidence))


def _tell_reference(reference: Reference, terminal: Terminal) -> None:
    terminal.say(
        f"{len(reference.features):,} images of split {reference.split} are what `ganpipe monitor` compares "
        f"with{f'; looks_familiar: by {reference.score}' if reference.score else ''}"
    )
    if not reference.held_out:
        terminal.warn(
            "no image is held out: the classifier was trained on those it will compare with, which it sees "
            "otherwise than new ones (--certify-rate 0.1 holds some back)."
        )


def _tell_versions(version: int, versions: Sequence[int], terminal: Terminal) -> None:
    others = [number for number in versions if number != version]
    if others:
        terminal.say(f"version {version}, beside {', '.join(map(str, others))}")
    if others and max(others) > version:
        terminal.warn(f"servers take the highest version, {max(others)}, unless told otherwise (--versions).")


def _check_images(info: DatasetInfo, count: int) -> np.ndarray:
    from ssgan_tf.records import read_split

    for split in ("test", "validation", "train"):
        if info.splits.get(split, {}).get("count"):
            return read_split(info, split).images[:count]
    raise DataError(f"{str(info.folder)!r} holds no image to check the export with.")


def _draft_classifier(inputs: _Inputs, images: np.ndarray, output: Path) -> _Draft:
    import tensorflow as tf

    from pipeline.exported.lite_model import write_framing
    from pipeline.stages.export.check_cases import classifier_cases, classifier_requests
    from ssgan_tf.savedmodel import save_classifier

    folder = _draft_folder(inputs, "classifier", output)
    save_classifier(
        folder,
        inputs.system,
        inputs.networks,
        inputs.info.class_names,
        inputs.confidence,
        inputs.trained.record.framing,
        inputs.reference,
    )
    # on the processor, as in the fresh process: an accelerator rounds in another way
    with tf.device("/CPU:0"):
        framing = inputs.trained.record.framing
        cases = classifier_cases(
            inputs.system, inputs.networks, images, inputs.confidence.temperature, framing
        )
    _write_extras(inputs, "classifier", folder, list(classifier_requests(images[:1]).values()))
    write_framing(folder, inputs.trained.record.framing)
    return _Draft("classifier", folder, cases)


def _draft_generator(inputs: _Inputs, output: Path) -> _Draft:
    import tensorflow as tf

    from pipeline.stages.export.check_cases import generator_cases, generator_requests
    from ssgan_tf.savedmodel import save_generator

    folder = _draft_folder(inputs, "generator", output)
    save_generator(folder, inputs.system, inputs.networks)
    with tf.device("/CPU:0"):
        cases = generator_cases(inputs.system, inputs.networks)
    latent = inputs.system.latent(1, 0).numpy()
    _write_extras(inputs, "generator", folder, list(generator_requests(latent).values()))
    return _Draft("generator", folder, cases)


def _draft_folder(inputs: _Inputs, kind: str, output: Path) -> Path:
    # a name that is no number: a server that watches the folder must not load it yet
    folder = output / kind / f"{inputs.version}.partial"
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _write_extras(inputs: _Inputs, kind: str, folder: Path, warmup: Sequence[Request]) -> None:
    from pipeline.exported.layout import CARD_FILE, WARMUP_FILE
    from pipeline.exported.prediction_log import write_requests
    from pipeline.exported.versions import write_made_from
    from pipeline.stages.export.model_card import model_card

    write_requests(folder / WARMUP_FILE, kind, warmup)
    card = model_card(
        kind,
        record=inputs.trained.record,
        step=inputs.trained.step,
        info=inputs.info,
        metrics=inputs.metrics,
        confidence=inputs.confidence,
        digest=_digest(inputs, kind),
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    write_made_from(folder, inputs.content)


def _figures(inputs: _Inputs, draft: _Draft) -> dict[str, Any]:
    network = inputs.networks[getattr(inputs.system, draft.kind)]
    return {
        "parameters": int(network.count_params()),
        "variable_bytes": sum(path.stat().st_size for path in (draft.folder / "variables").iterdir()),
        "weights_sha256": _digest(inputs, draft.kind),
    }


def _digest(inputs: _Inputs, kind: str) -> str:
    from ssgan_tf.savedmodel import weights_digest

    return weights_digest(inputs.networks[getattr(inputs.system, kind)])
