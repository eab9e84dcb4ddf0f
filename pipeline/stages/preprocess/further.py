"""Further columns of a label file on their way into the provenance, by the keys of the images.

They say of an image where it comes from, which may tell its class: no record and nothing else that training
reads holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.sources.further_columns import in_a_sentence
from pipeline.sources.source import Source


def further_values(
    source: Source, rows: Iterable[tuple[str, str, str]]
) -> tuple[tuple[str, ...], Iterator[tuple[str, Sequence[str]]]]:
    """Returns the columns that are kept, and key and values of each image that is in a split.

    Args:
        source: the data set.
        rows: key, output split and place of each image.
    """
    found = source.further_columns()
    if found is None or not found[0].names:
        return (), iter(())
    further, places = found
    values = dict(further.rows(places))
    kept = ((key, values[place]) for key, output, place in rows if output and place in values)
    return further.names, kept


def no_slices(source: Source) -> str:
    """Says which columns are not kept, and why; "" where all are."""
    found = source.further_columns()
    return in_a_sentence(found[0].left_out) if found else ""
