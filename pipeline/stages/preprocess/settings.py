"""Settings of `ganpipe preprocess`."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.beam.modes import IN_MEMORY, MODES
from ssgan_tf.declare import CONTENT, Rule, at_least, between, one_of, setting, whole


@dataclass(frozen=True)
class DataConfig:
    """Settings of `ganpipe preprocess`."""

    dataset: str = setting(
        "digits",
        "digits, mnist or another name of tensorflow_datasets, idx:FOLDER, folder:PATH, npz:FILE or gaussian",
        affects_result=False,
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
        None,
        "side of the square record images; default: the source's own size, 64 where it has several or larger "
        "ones",
        at_least(4),
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
        whole(1, 99999),
    )
    strict: bool = setting(False, "fail on the first unreadable image instead of skipping it")
    runner: str = setting(IN_MEMORY, "Beam runner mode", one_of(*MODES), affects_result=False)
    workers: int = setting(2, "worker processes of multi_processing", at_least(1), affects_result=False)

    @property
    def background_level(self) -> int:
        """The background as a level 0..255."""
        return {"white": 255, "black": 0}.get(self.background, self.background)  # type: ignore[arg-type]
