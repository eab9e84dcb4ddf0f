"""Settings of `ganpipe inspect` that are not those of the data."""

from __future__ import annotations

from dataclasses import dataclass

from ssgan_tf.declare import FILE, at_least, setting, whole_text


@dataclass(frozen=True)
class InspectConfig:
    """How much is looked at, and what is written."""

    html: str | None = setting(
        None,
        "write a contact sheet into this file: pictures of each class and of what is odd",
        takes=FILE,
        place=whole_text,
        group="output",
    )
    sample: int = setting(
        20_000,
        "look at so many images at most, spread over all; the classes are counted in all",
        at_least(1),
    )
