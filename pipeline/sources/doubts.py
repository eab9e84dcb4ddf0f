"""What looks wrong with the classes of a data set, each doubt a sentence that says what to do.

    find_doubts({"truck": 240, "trucx": 2, "Unsorted": 2500}, origin=FOLDERS, passed_over={})

A doubt is no error: a class may be called "none", and 19 of 20 images may be of one class. So a doubt asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipeline.errors import did_you_mean
from pipeline.sources.folder_layout import means_unlabelled, plain
from pipeline.sources.near_names import nearly_same, one_letter_apart, same_but_for_signs
from pipeline.sources.source import FOLDERS, ITSELF, LABEL_FILE, LISTED

# of a misspelt name there are few images beside those of the right one
RARER = 10
MOST = 0.5
NEARLY_ALL = 0.8

# fmt: off
_MISSING = frozenset(
    (
        "missing", "na", "nan", "nil", "none", "null", "tbd", "todo", "unassigned", "uncategorised",
        "uncategorized", "unclassified", "unclear", "undefined", "unk", "unknown", "unsorted",
        "unspecified", "unsure"
    )
)
_PLACES = frozenset(
    (
        "album", "backup", "camera", "cameraroll", "data", "dataset", "dcim", "desktop", "download",
        "downloads", "export", "file", "files", "folder", "image", "images", "img", "imgs", "import",
        "inbox", "misc", "miscellaneous", "newfolder", "photo", "photos", "pic", "pics", "picture",
        "pictures", "pile", "screenshots", "stuff", "temp", "tmp", "trip", "untitledfolder", "upload",
        "uploads"
    )
)
# fmt: on
# a camera's own folders (100CANON), and dates
_CAMERA = re.compile(r"1\d\d[a-z]{4,5}|(19|20)\d{6}")

_MERGE = {
    FOLDERS: "put the images of both into one folder",
    LABEL_FILE: "write them in one way in the label file",
    ITSELF: "give both one label",
}
_WITHOUT = {
    FOLDERS: "if its images have no label, say --unlabelled-folders {}",
    LABEL_FILE: "if it means that there is no label, leave the label empty in the label file",
    ITSELF: "if it means that there is no label, give its images the label -1",
}


def find_doubts(
    counts: Mapping[str, int], *, origin: str, passed_over: Mapping[str, int] | None = None
) -> list[str]:
    """Looks at the classes' names and numbers.

    Args:
        counts: class to its number of images, in all splits.
        origin: what says which classes there are (`Source.classes_from`). Listed ones are not doubted by
            their names.
        passed_over: folders that are none of the listed classes, with their numbers of images.

    Returns:
        Sentences, each with what to do; none where all looks right.
    """
    doubts = []
    if origin == LISTED:
        doubts += _empty(counts, passed_over or {}) + _nearly_listed(counts, passed_over or {})
    else:
        doubts += _alike(counts, origin) + _nameless(counts, origin)
        if origin == FOLDERS:
            doubts += _piles(counts)
    return doubts + _alone(counts)


def in_numbers(count: int, noun: str = "image") -> str:
    """A number with its noun: "1 image", "2,500 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _alike(counts: Mapping[str, int], origin: str) -> list[str]:
    doubts = []
    for names in same_but_for_signs(counts):
        each = ", ".join(f"{name!r} ({in_numbers(counts[name])})" for name in names)
        doubts.append(
            f"The classes {each} differ only by case, spaces or signs: if they are one, {_MERGE[origin]}."
        )
    for rare, common in one_letter_apart(counts, rarer=RARER):
        doubts.append(
            f"The class {rare!r} ({in_numbers(counts[rare])}) is one letter away from {common!r} "
            f"({in_numbers(counts[common])}): if it is misspelt, {_MERGE[origin]}."
        )
    return doubts


def _nameless(counts: Mapping[str, int], origin: str) -> list[str]:
    return [
        f"The class {name!r} ({in_numbers(count)}) is called like a missing label: "
        f"{_WITHOUT[origin].format(_quoted(name))}."
        for name, count in counts.items()
        if _is_missing(name)
    ]


def _is_missing(name: str) -> bool:
    signs_only = not any(sign.isalnum() for sign in name)
    return signs_only or plain(name) in _MISSING or means_unlabelled(name)


def _piles(counts: Mapping[str, int]) -> list[str]:
    total, doubts = sum(counts.values()), []
    for name, count in counts.items():
        if len(counts) == 1 or _is_missing(name):
            continue
        like_a_place = count > MOST * total and _is_place(name)
        # of two classes one may well be rare; a pile lies beside two or more
        if like_a_place or (len(counts) > 2 and count > NEARLY_ALL * total):
            called = " and is called like a place where images lie" if like_a_place else ""
            doubts.append(
                f"The class {name!r} holds {count:,} of the {in_numbers(total)} in class folders{called}: "
                f"{_WITHOUT[FOLDERS].format(_quoted(name))}."
            )
    return doubts


def _is_place(name: str) -> bool:
    letters = plain(name)
    return letters.rstrip("0123456789") in _PLACES or bool(_CAMERA.fullmatch(letters))


def _alone(counts: Mapping[str, int]) -> list[str]:
    alone = [name for name, count in counts.items() if count == 1]
    if not alone:
        return []
    one = len(alone) == 1
    what = f"The class {alone[0]!r} has" if one else f"{len(alone):,} classes ({_some(alone)}) have"
    return [
        f"{what} one image only, which can be trained on or tested on but not both: add images, or merge "
        f"{'it' if one else 'them'} with another class."
    ]


def _empty(counts: Mapping[str, int], passed_over: Mapping[str, int]) -> list[str]:
    there = [*(name for name, count in counts.items() if count), *passed_over]
    return [
        f"The class {name!r} of --classes has no image: add some, or leave it out of the list."
        f"{did_you_mean(name, there)}"
        for name, count in counts.items()
        if not count
    ]


def _nearly_listed(counts: Mapping[str, int], passed_over: Mapping[str, int]) -> list[str]:
    near = [
        (folder, count, next((name for name in counts if nearly_same(folder, name)), None))
        for folder, count in passed_over.items()
    ]
    return [
        f"The folder {folder!r} ({in_numbers(count)}) is nearly called like the class {name!r} of --classes, "
        f"but its images count as unlabelled: if it is that class, {_MERGE[FOLDERS]}."
        for folder, count, name in near
        if name is not None
    ]


def _some(names: Sequence[str], shown: int = 5) -> str:
    more = len(names) - shown
    return ", ".join(map(repr, names[:shown])) + (f" and {more:,} more" if more > 0 else "")


def _quoted(name: str) -> str:
    """A folder's name as the shell and a list with commas take it."""
    if re.fullmatch(r"[\w.+-]+", name) and not name.startswith("-"):
        return name
    inner = '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name
    return "'" + inner.replace("'", "'\\''") + "'"
