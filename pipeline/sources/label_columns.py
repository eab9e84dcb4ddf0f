"""Which columns of a label file hold the paths and the labels: those that were named, else those that are
plain.

Names are compared by their letters and digits alone: "File Name" is filename. Where a file has both `path`
and another such column, `path` it is, and `label` before its other names; between the others a person must
choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import did_you_mean
from pipeline.sources.folder_layout import plain
from pipeline.sources.name_list import split_names

PATHS = ("path", "filename", "filepath", "image", "file")
LABELS = ("label", "class", "target", "category")
_MORE_PATHS = ("imagepath", "imagename", "imagefile", "imagefilename", "img", "imgpath", "imgname")
# taken only where nothing is called like a path
_NUMBERS = ("imageid", "imgid", "id")
_MORE_LABELS = ("labelname", "classname", "categoryname", "targetname", "labels")
WANTED = (
    f"a header with a column of paths ({', '.join(PATHS)}) and one of labels ({', '.join(LABELS)}), each "
    "once, in any order and with others beside them, or --label-columns PATH,LABEL with their names"
)


class Chosen(NamedTuple):
    """Places in a row of the path, of the label, and of the further columns by name."""

    path: int
    label: int
    further: dict[str, int]


def are_numbers(columns: str | None) -> bool:
    """Whether `--label-columns` names columns by number: then the file has no header."""
    return all(name.isascii() and name.isdigit() and int(name) > 0 for name in split_names(columns) or ("",))


def choose_columns(header: Sequence[str], columns: str | None) -> Chosen | str:
    """Finds the columns.

    Args:
        header: names of the columns as they are written; none where columns are named by number.
        columns: `--label-columns`: two names or numbers from 1; None: as they are found.

    Returns:
        The columns, or what is wrong with the header, for a message.
    """
    names = [name.strip() for name in header]
    line = repr(",".join(names)[:80])
    if are_numbers(columns):
        path, label = (int(name) - 1 for name in split_names(columns))
        return Chosen(path, label, {})
    if columns is not None:
        found = [_named(name, names) for name in split_names(columns)]
        wrong = next((one for one in found if isinstance(one, str)), None)
        places = [one for one in found if isinstance(one, int)]
    else:
        found = [
            _plain_one(names, PATHS[0], (*PATHS, *_MORE_PATHS), _NUMBERS),
            _plain_one(names, LABELS[0], (*LABELS, *_MORE_LABELS), ()),
        ]
        wrong = next((one for one in found if isinstance(one, str) and one), None)
        places = [one for one in found if isinstance(one, int)]
        if wrong is None and len(places) < 2:
            wrong = _missing(names, found)
    if wrong is not None:
        return f"the first line is {line}: {wrong}"
    path, label = places
    further = {
        name: place
        for place, name in enumerate(names)
        if name and place not in places and names.count(name) == 1
    }
    return Chosen(path, label, further)


def _named(name: str, names: Sequence[str]) -> int | str:
    same = [place for place, one in enumerate(names) if one == name] or [
        place for place, one in enumerate(names) if one.casefold() == name.casefold()
    ]
    if len(same) == 1:
        return same[0]
    if same:
        return f"{name!r}, which --label-columns names, stands there more than once"
    hint = did_you_mean(name, names)
    return f"it has no column {name!r}, which --label-columns names{f' (d{hint[2:]})' if hint else ''}"


def _plain_one(names: Sequence[str], first: str, others: Sequence[str], last: Sequence[str]) -> int | str:
    """The place of the one column that is called so; "" where none is, else what is wrong."""
    letters = [plain(name) for name in names]
    for wanted in ((first,), others, last):
        found = [place for place, name in enumerate(letters) if name in wanted]
        if len(found) == 1:
            return found[0]
        if found and len({letters[place] for place in found}) == 1:
            return f"it names {names[found[0]]} more than once"
        if found:
            which = " or ".join(repr(names[place]) for place in found)
            return f"is it {which}? Say --label-columns with the column of paths and that of labels"
    return ""


def _missing(names: Sequence[str], found: Sequence[int | str]) -> str:
    there = [place for place in found if isinstance(place, int)]
    wanted = [
        word for word, one in zip((PATHS[0], LABELS[0]), found, strict=True) if not isinstance(one, int)
    ]
    others = [name for place, name in enumerate(names) if place not in there and name]
    for name in others:
        if hint := did_you_mean(name.casefold(), wanted):
            return f"no column is called {' and '.join(wanted)} (d{hint[2:]})"
    if len(there) == 1 and len(others) == 1 and len(names) == 2:
        pair = [names[one] if isinstance(one, int) else others[0] for one in found]
        return f"if {others[0]!r} is the {wanted[0]}, say --label-columns {','.join(pair)}"
    return (
        f"no column is called like a {' or a '.join(wanted)}; say --label-columns with two of these names, "
        "or write a line path,label above it"
    )
