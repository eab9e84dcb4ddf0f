"""The names of sources: what `--dataset NAME[:ARGUMENT]` may say, and the place that it names."""

from __future__ import annotations

from ssgan_tf.declare import plain_path

# name to whether its argument is a path
SOURCES = {"digits": False, "tfds": False, "idx": True, "folder": True, "npz": True, "gaussian": False}


def split_place(spec: str) -> tuple[str, str]:
    """Splits ("folder:", "photos") where the argument is a path, else (spec, "")."""
    name, colon, argument = spec.partition(":")
    return (name + colon, plain_path(argument)) if argument and SOURCES.get(name) else (spec, "")
