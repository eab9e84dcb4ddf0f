"""The settings of the stages that form the chain."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.beam.modes import IN_MEMORY, MODES
from ssgan_tf.declare import CONTENT, Rule, as_in, at_least, between, one_of, setting
from ssgan_tf.training.options import LoopOptions


@dataclass(frozen=True)
class DataConfig:
    """Settings of `ganpipe preprocess`."""

    dataset: str = setting(
        "digits", "digits, tfds:NAME, idx:FOLDER, folder:PATH, npz:FILE or gaussian", affects_result=False
    )
    data_dir: str | None = setting(
        None, "where tensorflow_datasets keeps prepared data", affects_result=False
    )
    labels: str | None = setting(None, "CSV file of path,label for folder:PATH", affects_result=False)
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
        None,
        "file of image keys, one a line, that repeats a draw exactly (labelled.txt)",
        affects_result=CONTENT,
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
    runner: str = setting(IN_MEMORY, "Beam runner mode", one_of(*MODES), affects_result=False)
    workers: int = setting(2, "worker processes of multi_processing", at_least(1), affects_result=False)

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
    workers: str | None = setting(
        None, "host:port,... of all workers of multiworker; default: TF_CONFIG", affects_result=False
    )
    worker_index: int | None = setting(
        None, "which of the workers this is; 0 is the chief, which writes", at_least(0), affects_result=False
    )
    precision: str = setting(
        "float32", "computation type", one_of("float32", "mixed_float16", "mixed_bfloat16")
    )
    average_decay: float | None = as_in(
        LoopOptions,
        "average_decay",
        default=None,
        help=f"decay of the weight average; default: the recipe's, or {LoopOptions.average_decay}",
    )
    steps_per_call: int = as_in(LoopOptions, "steps_per_call")
    summary_every: int = as_in(LoopOptions, "summary_every")
    histogram_every: int = as_in(LoopOptions, "histogram_every")
    image_every: int = as_in(LoopOptions, "image_every")
    checkpoint_every: int = as_in(LoopOptions, "checkpoint_every")
    keep_checkpoints: int = as_in(LoopOptions, "keep_checkpoints")
    memory_limit_mb: int = setting(
        4096,
        "training images are held in memory up to this size, else streamed",
        at_least(0),
        affects_result=False,
    )


@dataclass(frozen=True)
class EvaluateConfig:
    """Settings of `ganpipe evaluate`."""

    split: str = setting("test", "the split to evaluate on", one_of("test", "validation"))
    batch_size: int = setting(256, "images a batch", at_least(1))
    calibration_bins: int = setting(15, "bins of the expected calibration error", at_least(2))
    samples: int = setting(10_000, "generated images that are compared with real ones; 0: none", at_least(0))
    temperature: float | None = setting(
        None,
        "divides the logits before the softmax; default: export.temperature",
        Rule("a number above 0", lambda v: v > 0),
    )


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
