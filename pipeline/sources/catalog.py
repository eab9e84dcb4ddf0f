"""Finds a source by what `--dataset NAME[:ARGUMENT]` says.

A new source is a new file and a line in `pipeline.sources.names`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, UsageError, unknown
from pipeline.sources.names import SOURCES, split_place
from pipeline.sources.source import Source
from pipeline.terminal import Terminal
from ssgan_tf.declare import is_url, plain_path

OTHER_NAMES = {"svhn": "svhn_cropped"}


def in_full(spec: str) -> str:
    """The source with its kind: a name that only tensorflow_datasets knows is one of its data sets."""
    name = spec.partition(":")[0]
    if name in SOURCES or not name.isidentifier() or is_url(spec):
        return spec
    from pipeline.sources.tfds_download import registered

    name = OTHER_NAMES.get(name, name)
    return f"tfds:{name}{spec[spec.index(':') :] if ':' in spec else ''}" if registered(name) else spec


def bring(spec: str, *, data_dir: str | None, terminal: Terminal) -> None:
    """Downloads a data set of tensorflow_datasets that is not there yet; of other sources, nothing.

    Raises:
        DataError: it cannot be had.
    """
    name, _, argument = in_full(spec).partition(":")
    if name == "tfds" and argument:
        from pipeline.sources import tfds_download

        tfds_download.bring(argument, data_dir=data_dir, terminal=terminal)


def source_module(spec: str) -> str:
    """The module that reads a source."""
    return f"{__package__}.{in_full(spec).partition(':')[0]}"


def full_name(spec: str) -> str:
    """The source with its whole path, where its argument is one: the same from any folder."""
    kind, place = split_place(in_full(spec))
    return f"{kind}{whole_place(place)}" if place else kind


def whole_place(place: str) -> str:
    """A path from the root with its links followed; a URL as it is."""
    place = plain_path(place)
    return place.rstrip("/") if is_url(place) else str(Path(place).expanduser().resolve())


def open_source(
    spec: str,
    *,
    data_dir: str | None = None,
    labels: str | None = None,
    test_labels: str | None = None,
    label_columns: str | None = None,
    classes: Sequence[str] = (),
    unlabelled_folders: Sequence[str] = (),
) -> Source:
    """Opens a source.

    Args:
        spec: digits, tfds:NAME or NAME, idx:FOLDER, folder:PATH, npz:FILE or gaussian[:SEED].
        data_dir: where tensorflow_datasets keeps prepared data, for tfds:NAME.
        labels: files of path and label, for folder:PATH.
        test_labels: others, of the images that are the test split.
        label_columns: their columns of paths and of labels; None: as they are found.
        classes: the classes in their order, for folder:PATH; empty: as they are found.
        unlabelled_folders: names of folders of unlabelled images, for folder:PATH.

    Raises:
        UsageError: unknown name, or an argument is missing or too much.
        DataError: what the argument names is missing or damaged.
    """
    name, _, argument = in_full(spec).partition(":")
    argument = plain_path(argument)
    if name not in SOURCES:
        if is_url(spec):
            raise UsageError(f"unknown data set {spec!r}. For a folder of images say folder:{spec}.")
        if Path(spec).expanduser().is_dir():
            raise UsageError(f"unknown data set {spec!r}. For a folder of images say folder:{spec}.")
        raise unknown("data set", name, SOURCES)
    if (labels or test_labels or label_columns) is not None and name != "folder":
        raise UsageError(f"a label file belongs to folder:PATH; the data set is {spec!r}.")
    own: dict[str, Any] = {"classes": tuple(classes), "unlabelled_folders": tuple(unlabelled_folders)}
    for setting, given in own.items():
        if given and name != "folder":
            flag = setting.replace("_", "-")
            raise UsageError(f"--{flag} belongs to folder:PATH; the data set is {spec!r}.")
    module = importlib.import_module(f"{__package__}.{name}")
    own |= {"test_labels": test_labels, "label_columns": label_columns}
    source = module.open_source(
        argument, data_dir=data_dir, labels=labels, **(own if name == "folder" else {})
    )
    if not source.splits()["train"]:
        raise DataError(f"the data set {spec!r} has no training images.")
    return source
