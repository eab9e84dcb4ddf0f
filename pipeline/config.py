"""The settings of every stage, filled from defaults < YAML file < command line.

config = load_config(file=Path("run.yaml"), overrides=["train.steps=500"], options={...})
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from ssgan_tf.declare import Rule, at_least, between, build, one_of, setting


@dataclass(frozen=True)
class DataConfig:
    """Settings of `ganpipe preprocess`."""

    dataset: str = setting("digits", "digits, tfds:NAME, idx:FOLDER, folder:PATH, npz:FILE or gaussian")
    data_dir: str | None = setting(None, "where tensorflow_datasets keeps prepared data")
    labels: str | None = setting(None, "CSV file of path,label for folder:PATH")
    labels_per_class: int | str | None = setting(
        None,
        "labels kept for each class: a number or 'all'; default: all where the source has "
        "unlabelled images, else 10",
        Rule(
            "a whole number from 1, or 'all'",
            lambda v: v == "all" or (isinstance(v, int) and v >= 1),
        ),
    )
    labeled_rate: float | None = setting(
        None,
        "share of the labels kept, stratified",
        Rule("a share in (0, 1]", lambda v: 0 < v <= 1),
    )
    labelled_keys: str | None = setting(
        None, "file of image keys, one a line, that repeats a label draw exactly (labelled.txt)"
    )
    image_size: int | None = setting(
        None, "side of the square record images; default: the source's own size", at_least(4)
    )
    channels: int | None = setting(None, "1 (grey) or 3 (RGB); default: the source's own", one_of(1, 3))
    background: int | str = setting(
        "white",
        "what shows through transparent pixels: white, black, or a grey level",
        Rule(
            "white, black, or a grey level from 0 to 255",
            lambda v: v in ("white", "black") if isinstance(v, str) else 0 <= v <= 255,
        ),
    )
    test_rate: float = setting(
        0.2,
        "share of the labelled images that becomes the test split, where the source has none",
        between(0, 1),
    )
    validation_rate: float = setting(
        0.0,
        "share of the labelled images that becomes a validation split",
        Rule("a share in [0, 1)", lambda v: 0 <= v < 1),
    )
    shards: int = setting(
        8,
        "TFRecord files a split",
        Rule("a whole number from 1 to 99999", lambda v: 1 <= v <= 99999),
    )
    strict: bool = setting(False, "fail on the first unreadable image instead of skipping it")
    runner: str = setting("in_memory", "Beam runner mode", one_of("in_memory", "multi_processing"))
    workers: int = setting(2, "worker processes of multi_processing", at_least(1))

    @property
    def background_level(self) -> int:
        """The background as a level 0..255."""
        return {"white": 255, "black": 0}.get(self.background, self.background)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `ganpipe train` that hold for every recipe."""

    recipe: str = setting("ssgan", "the system to train")
    preset: str = setting("small", "the recipe's named settings: small (two cores) or full (as published)")
    steps: int | None = setting(None, "training steps; default: the recipe's", at_least(1))
    batch_size: int | None = setting(None, "global batch; default: the recipe's", at_least(1))
    strategy: str = setting("default", "how to use devices", one_of("default", "mirrored", "multiworker"))
    replicas: int | None = setting(None, "replicas of mirrored on a machine without GPUs", at_least(1))
    workers: str | None = setting(None, "host:port,... of all workers of multiworker; default: TF_CONFIG")
    worker_index: int | None = setting(
        None, "which of the workers this is; 0 is the chief, which writes", at_least(0)
    )
    precision: str = setting(
        "float32", "computation type", one_of("float32", "mixed_float16", "mixed_bfloat16")
    )
    average_decay: float | None = setting(
        None,
        "decay of the weight average; default: the recipe's, or 0.999",
        Rule("a number in [0, 1)", lambda v: 0 <= v < 1),
    )
    steps_per_call: int = setting(50, "training steps in one tf.function call", at_least(1))
    summary_every: int = setting(50, "steps between scalar summaries' flushes", at_least(1))
    histogram_every: int = setting(500, "steps between weight histograms", at_least(1))
    image_every: int = setting(500, "steps between sample grids", at_least(1))
    checkpoint_every: int = setting(500, "steps between checkpoints", at_least(1))
    keep_checkpoints: int = setting(3, "checkpoints kept", at_least(1))
    memory_limit_mb: int = setting(
        4096, "training images are held in memory up to this size, else streamed", at_least(0)
    )


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `ganpipe evaluate`."""

    split: str = setting("test", "the split to evaluate on", one_of("test", "validation"))
    batch_size: int = setting(256, "images a batch", at_least(1))
    calibration_bins: int = setting(15, "bins of the expected calibration error", at_least(2))
    samples: int = setting(10_000, "generated images that are compared with real ones; 0: none", at_least(0))


@dataclass(frozen=True)
class ExportConfig:
    """Settings of `ganpipe export`."""

    version: int = setting(1, "version folder of the SavedModel", at_least(1))
    check_images: int = setting(64, "test images whose answers must agree after loading", at_least(1))
    format: str = setting(
        "savedmodel",
        "savedmodel, or with more after it: savedmodel,tflite,onnx",
        Rule(
            "a list of savedmodel, tflite and onnx, with commas",
            lambda v: bool(v) and set(v.split(",")) <= {"savedmodel", "tflite", "onnx"},
        ),
    )
    temperature: float = setting(
        1.0, "divides the logits before the softmax", Rule("a number above 0", lambda v: v > 0)
    )
    abstain_below: float = setting(
        0.0,
        "confidence below which the classifier abstains; 0: never",
        Rule("a number from 0 to 1", lambda v: 0 <= v <= 1),
    )


@dataclass(frozen=True)
class RunConfig:
    """Everything `ganpipe run` needs; `recipe` is checked by the recipe itself."""

    seed: int = setting(0, "seed of the label draw and of training", at_least(0))
    draws: int = setting(1, "label draws; draw i uses seed + i", at_least(1))
    baseline: bool = setting(True, "train the paired supervised baseline too")
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    export: ExportConfig = ExportConfig()
    recipe: Mapping[str, Any] = field(default_factory=dict, metadata={"help": "recipe settings"})


def load_config(
    *,
    file: Path | None = None,
    overrides: tuple[str, ...] | list[str] = (),
    options: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Builds the configuration: defaults, then `file`, then `overrides`, then `options`.

    Args:
        file: YAML mapping with the sections of `RunConfig`.
        overrides: texts `section.key=value`, the value in YAML.
        options: dotted keys to values, from the command line; None values are left out.

    Raises:
        UsageError: unknown key (with the nearest name), wrong type, or a value out of range.
    """
    document: dict[str, Any] = {}
    if file is not None:
        _merge(document, _read_yaml(file))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set wants section.key=value, for example train.steps=500; got {text!r}.")
        _put(document, key.strip(), _parse_yaml(value, f"--set {text}"))
    for key, value in (options or {}).items():
        if value is not None:
            _put(document, key, value)
    config = build(RunConfig, document)
    if config.data.labels_per_class is not None and config.data.labeled_rate is not None:
        raise UsageError("give either data.labels_per_class or data.labeled_rate, not both.")
    if config.data.labelled_keys and (config.data.labels_per_class or config.data.labeled_rate):
        raise UsageError("data.labelled_keys says which labels are kept: leave out how many.")
    return config


def as_document(config: Any) -> dict[str, Any]:
    """Returns a settings dataclass as plain nested mappings, for YAML, JSON and fingerprints."""
    return dataclasses.asdict(config)


def _put(document: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        below = document.setdefault(section, {})
        if not isinstance(below, dict):
            raise UsageError(f"setting {dotted!r}: {section!r} is not a section.")
        document = below
    document[last] = value


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _read_yaml(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text()
    except OSError as error:
        raise UsageError(f"cannot read the configuration {str(file)!r}: {error.strerror}.") from None
    document = _parse_yaml(text, str(file)) or {}
    if not isinstance(document, Mapping):
        raise UsageError(f"{str(file)!r} must hold a mapping of sections; got {document!r}.")
    return document


def _parse_yaml(text: str, place: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{place} is not valid YAML: {error}") from None
