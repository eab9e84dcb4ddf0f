"""Settings of `ganpipe preprocess`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.beam import modes
from pipeline.beam.modes import IN_MEMORY
from pipeline.sources.name_list import is_list_of_names, split_names
from pipeline.sources.names import split_place
from ssgan_tf.declare import (
    CONTENT,
    FILE,
    FOLDER,
    Rule,
    at_least,
    between,
    one_of,
    setting,
    several_paths,
    whole,
    whole_text,
)
from ssgan_tf.framing import FILL, MODES, WHITE, Framing

_PART = Rule("a share in [0, 1)", lambda v: 0 <= v < 1, limits="0<=x<1")


@dataclass(frozen=True)
class DataConfig:
    """Settings of `ganpipe preprocess`."""

    dataset: str = setting(
        "digits",
        "digits, mnist or another name of tensorflow_datasets, idx:FOLDER, folder:PATH, npz:FILE or "
        "gaussian; a place may be a URL (s3, gs, https, hf)",
        affects_result=False,
        takes="SOURCE",
        place=split_place,
    )
    data_dir: str | None = setting(
        None,
        "where tensorflow_datasets keeps prepared data",
        affects_result=False,
        takes=FOLDER,
        place=whole_text,
    )
    labels: str | None = setting(
        None,
        "label file of folder:PATH (CSV, TSV, JSON lines, Parquet), or a folder, a pattern or several of "
        "them with commas between; further columns give slices",
        affects_result=False,
        takes=FILE,
        place=several_paths,
        by_url=True,
    )
    test_labels: str | None = setting(
        None,
        "label file of the images of folder:PATH that are tested on, and never trained on",
        affects_result=False,
        takes=FILE,
        place=several_paths,
        by_url=True,
    )
    label_columns: str | None = setting(
        None,
        "names of the label file's columns of paths and of labels, or their numbers from 1 where it has no "
        "header; default: path, filename, filepath, image or file, and label, class, target or category",
        Rule(
            "two names of columns with a comma between, or two numbers",
            lambda v: is_list_of_names(v, least=2) and not is_list_of_names(v, least=3),
        ),
        affects_result=False,
        takes="PATH,LABEL",
    )
    classes: str | None = setting(
        None,
        "the classes of folder:PATH in their order, with commas between; default: as they are found",
        Rule("two or more different names with commas between", lambda v: is_list_of_names(v, least=2)),
        takes="NAME,NAME,...",
    )
    unlabelled_folders: str | None = setting(
        None,
        "folders of unlabelled images in folder:PATH, with commas between; 'unlabelled' is known anyway",
        Rule("different names of folders with commas between", is_list_of_names),
        takes="FOLDER,...",
    )
    yes: bool = setting(
        False, "take the classes as they are, whatever is doubtful", affects_result=False, remembered=False
    )
    labels_per_class: int | str | None = setting(
        None,
        "labels kept for each class: a number or 'all'; default: all, but 10 of the bundled digits",
        Rule(
            "a whole number from 1, or 'all'",
            lambda v: v == "all" or (isinstance(v, int) and v >= 1),
        ),
        takes="[INTEGER|all]",
    )
    labeled_rate: float | None = setting(
        None,
        "share of the labels kept, stratified",
        Rule("a share in (0, 1]", lambda v: 0 < v <= 1, limits="0<x<=1"),
    )
    labelled_keys: str | None = setting(
        None,
        "file of image keys, one a line, that repeats a draw exactly (labelled.txt)",
        affects_result=CONTENT,
        takes=FILE,
        place=whole_text,
    )
    image_size: int | None = setting(
        None,
        "side of the square record images; default: the source's own size, 64 where it has several or larger "
        "ones",
        whole(4, 8192),
    )
    resize: str = setting(
        FILL,
        "images of other proportions than the records: fill cuts out the centre, fit pads with the "
        "background, stretch distorts",
        one_of(*MODES),
    )
    channels: int | None = setting(None, "1 (grey) or 3 (RGB); default: the source's own", one_of(1, 3))
    background: int | str = setting(
        "white",
        "what shows through transparent pixels and around images made to fit: white, black, or a grey level "
        "from 0 to 255",
        Rule(
            "white, black, or a grey level from 0 to 255",
            lambda v: v in ("white", "black") if isinstance(v, str) else 0 <= v <= 255,
        ),
        takes="[white|black|INTEGER]",
    )
    test_rate: float = setting(
        0.2,
        "share of the labelled images that becomes the test split, where the source has none",
        between(0, 1),
    )
    folds: int | str | None = setting(
        "auto",
        "cross-fit: each labelled image is tested on by one of so many models that have not seen it; a "
        "number from 2, 0 (or none), or auto: 5 where the source has no labelled test split and test_rate "
        "would give fewer than 200 test images",
        Rule(
            "a number from 2, 0 (or none), or auto",
            lambda v: v in ("auto", "none") if isinstance(v, str) else v == 0 or v >= 2,
        ),
        takes="[INTEGER|auto|none]",
    )
    validation_rate: float = setting(
        0.0,
        "share of the labelled images that becomes a validation split",
        _PART,
    )
    certify_rate: float = setting(
        0.0,
        "share of the labelled images that is set aside for the promise of --target-error, outside of "
        "training, test and validation",
        _PART,
    )
    shards: int = setting(
        8,
        "TFRecord files a split",
        whole(1, 99999),
    )
    schema: str | None = setting(
        None,
        "a schema.json (data/provenance/ of earlier data) that the images are compared with: new or missing "
        "classes, other shares, sizes, kinds and light; warned about, or with --strict refused",
        affects_result=False,
        takes=FILE,
        place=whole_text,
    )
    strict: bool = setting(
        False,
        "fail on the first unreadable image instead of skipping it, and on data that differ from --schema",
    )
    runner: str = setting(
        IN_MEMORY,
        modes.RUNNER_HELP,
        one_of(*modes.MODES),
        affects_result=False,
        group="devices",
    )
    workers: int = setting(2, modes.WORKERS_HELP, at_least(1), affects_result=False, group="devices")
    beam_option: str | None = setting(
        None,
        modes.OPTION_HELP,
        modes.OPTIONS,
        affects_result=False,
        group="devices",
        takes="NAME=VALUE",
        repeated=True,
    )

    @property
    def fold_count(self) -> int:
        """Folds of a draw, 0 where it is not cross-fitted; `auto`, which planning decides, counts as 0."""
        return self.folds if isinstance(self.folds, int) else 0

    @property
    def held_out_rates(self) -> dict[str, float]:
        """Shares of the labelled images that become held-out splits, in the order in which they are taken.

        What a promise is checked on comes first: it is the same in every fold.
        """
        return {"certify": self.certify_rate, "test": self.test_rate, "validation": self.validation_rate}

    @property
    def framing(self) -> Framing:
        """How images become records; the background as a level 0..255."""
        levels: dict[int | str, int] = {"white": WHITE, "black": 0}
        return Framing(self.resize, int(levels.get(self.background, self.background)))

    @property
    def source_options(self) -> dict[str, Any]:
        """What opening the source takes besides its name."""
        return {
            "data_dir": self.data_dir,
            "labels": self.labels,
            "test_labels": self.test_labels,
            "label_columns": self.label_columns,
            "classes": split_names(self.classes),
            "unlabelled_folders": split_names(self.unlabelled_folders),
        }
