"""Further columns of a label file (camera, site, date), kept for the figures of parts of the data.

They say of each image what it is called by in a column; no training reads them. An image takes a byte a
column, whatever the length of the texts, which a column has `MOST_VALUES` of at most: one with more parts
the data into pieces that say nothing, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

MOST_VALUES = 50
MOST_COLUMNS = 32
LONGEST_VALUE = 200


@dataclass
class FurtherColumns:
    """Values of images in columns.

    Attributes:
        columns: name to a byte for each image, 0 where it has no value there.
        values: name to the texts that the bytes from 1 stand for.
        left_out: name to why a column was left out.
    """

    count: int
    columns: dict[str, bytearray] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def begin(self, names: Sequence[str]) -> list[str]:
        """Takes the columns of a file; returns those that are kept."""
        for name in names:
            if name in self.columns or name in self.left_out:
                continue
            if len(self.columns) == MOST_COLUMNS:
                self.left_out[name] = f"beyond the {MOST_COLUMNS} columns that are kept"
                continue
            self.columns[name], self.values[name] = bytearray(self.count), {}
        return [name for name in names if name in self.columns]

    def put(self, name: str, number: int, text: str) -> None:
        """Notes the value of an image in a column."""
        values = self.values.get(name)
        if not text or values is None:
            return
        code = values.get(text)
        if code is None:
            code = len(values) + 1
            if code > MOST_VALUES or len(text) > LONGEST_VALUE:
                why = f"more than {MOST_VALUES} values" if code > MOST_VALUES else "values of whole sentences"
                self.left_out[name] = why
                del self.columns[name], self.values[name]
                return
            values[text] = code
        self.columns[name][number] = code

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are kept and hold a value."""
        return tuple(name for name, values in self.values.items() if values)

    def rows(self, places: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yields the place of each image with its value in each of `names`, "" where it has none.

        Args:
            places: of the images, by their numbers.
        """
        names = self.names
        texts = [("", *self.values[name]) for name in names]
        for number, place in enumerate(places):
            yield (
                place,
                tuple(text[self.columns[name][number]] for name, text in zip(names, texts, strict=True)),
            )


def in_a_sentence(left_out: Mapping[str, str]) -> str:
    """Says which columns were left out, and why; "" where none was."""
    said = [f"{name!r} ({why})" for name, why in left_out.items()]
    more = f"; and {len(said) - 5:,} more" if len(said) > 5 else ""
    return f"columns of the label file that give no slices: {'; '.join(said[:5])}{more}" if said else ""
