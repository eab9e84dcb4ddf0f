"""Finds a source by what `--dataset NAME[:ARGUMENT]` says. A new source is a new file and a line here."""

from __future__ import annotations

import importlib
from pathlib import Path

from pipeline.errors import DataError, UsageError, unknown
from pipeline.sources.source import Source
from pipeline.terminal import Terminal

# name to whether its argument is a path
SOURCES = {"digits": False, "tfds": False, "idx": True, "folder": True, "npz": True, "gaussian": False}


OTHER_NAMES = {"svhn": "svhn_cropped"}


def in_full(spec: str) -> str:
    """The source with its kind: a name that only tensorflow_datasets knows is one of its data sets."""
    name = spec.partition(":")[0]
    if name in SOURCES or not name.isidentifier():
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
    spec = in_full(spec)
    name, _, argument = spec.partition(":")
    return f"{name}:{Path(argument).expanduser().resolve()}" if argument and SOURCES.get(name) else spec


def open_source(spec: str, *, data_dir: str | None = None, labels: str | None = None) -> Source:
    """Opens a source.

    Args:
        spec: digits, tfds:NAME or NAME, idx:FOLDER, folder:PATH, npz:FILE or gaussian[:SEED].
        data_dir: where tensorflow_datasets keeps prepared data, for tfds:NAME.
        labels: CSV file of path,label, for folder:PATH.

    Raises:
        UsageError: unknown name, or an argument is missing or too much.
        DataError: what the argument names is missing or damaged.
    """
    name, _, argument = in_full(spec).partition(":")
    if name not in SOURCES:
        if Path(spec).expanduser().is_dir():
            raise UsageError(f"unknown data set {spec!r}. For a folder of images say folder:{spec}.")
        raise unknown("data set", name, SOURCES)
    if labels is not None and name != "folder":
        raise UsageError(f"a label file belongs to folder:PATH; the data set is {spec!r}.")
    module = importlib.import_module(source_module(spec))
    source = module.open_source(argument, data_dir=data_dir, labels=labels)
    if not source.splits()["train"]:
        raise DataError(f"the data set {spec!r} has no training images.")
    return source
