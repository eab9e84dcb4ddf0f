"""A list of names in one text, as `--classes` and `--unlabelled-folders` take it: `cat,dog,"cat, big"`."""

from __future__ import annotations

import csv


def split_names(text: str | None) -> tuple[str, ...]:
    """Returns the names of a text with commas between them; none for None. A name with a comma is quoted.

    Raises:
        ValueError: no name, an empty one or one twice, a line break, or a quote that is not closed.
    """
    if text is None:
        return ()
    try:
        (row,) = csv.reader([text], strict=True, skipinitialspace=True)
    except csv.Error as error:
        raise ValueError(str(error)) from None
    names = tuple(name.strip() for name in row)
    if not all(names) or len(set(names)) != len(names) or "\n" in text:
        raise ValueError(f"no list of different names: {text!r}")
    return names


def is_list_of_names(text: str, *, least: int = 1) -> bool:
    """Tells whether `split_names` takes a text and finds at least so many names in it."""
    try:
        return len(split_names(text)) >= least
    except ValueError:
        return False
