"""Class names that may be two spellings of one: alike but for signs, or but for one letter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

LETTERS = 4

# between letters, or between a letter and a digit, a space or a sign says nothing; "1 11" is not "11 1"
_BETWEEN = re.compile(r"(?<=[^\W\d_])[\s_-]+(?=\w)|(?<=\w)[\s_-]+(?=[^\W\d_])")


def folded(name: str) -> str:
    """Returns a name without its case, the spaces around it, and what parts its words."""
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", name).casefold().strip())


def same_but_for_signs(names: Iterable[str]) -> list[list[str]]:
    """Returns the groups of different names that are the same when folded."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(folded(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def nearly_same(one: str, other: str) -> bool:
    """Tells whether two names are the same when folded, or one letter apart and of four letters or more."""
    a, b = folded(one), folded(other)
    return a == b or (_is_long(a) and _is_long(b) and _one_change(a, b))


def one_letter_apart(counts: Mapping[str, int], *, rarer: int) -> list[tuple[str, str]]:
    """Finds names that are another, more frequent one with one letter changed, added, lost or two swapped.

    Only names of four letters or more count, and only letters: "class1" and "class2" are two classes.

    Args:
        counts: name to its number of images.
        rarer: the rarer name must have fewer than one in so many of the other's images.

    Returns:
        Pairs (rarer name, other name).
    """
    names = {name: text for name in counts if _is_long(text := folded(name))}
    # two texts are one change apart only if they share a text that lacks one sign of theirs, or none
    sharing: dict[str, list[str]] = {}
    most = max((counts[name] for name in names), default=0)
    rare = [name for name in names if counts[name] * rarer < most]
    for name in rare:
        for shorter in _shortened(names[name]):
            sharing.setdefault(shorter, []).append(name)
    pairs = set()
    for common, text in names.items():
        for shorter in _shortened(text):
            for name in sharing.get(shorter, ()):
                if counts[name] * rarer < counts[common] and _one_change(names[name], text):
                    pairs.add((name, common))
    return sorted(pairs)


def _is_long(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= LETTERS


def _shortened(text: str) -> set[str]:
    return {text, *(text[:i] + text[i + 1 :] for i in range(len(text)))}


def _one_change(one: str, other: str) -> bool:
    """Whether two texts differ by one letter: another one, one more, or two neighbours swapped."""
    if one == other:
        return False
    start = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    if start is None:
        start = min(len(one), len(other))
    a, b = one[start:], other[start:]
    if len(a) == len(b):
        changed = a[1:] == b[1:] and a[0].isalpha() and b[0].isalpha()
        swapped = a[:2] == b[1::-1] and a[2:] == b[2:] and a[:2].isalpha()
        return changed or swapped
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[1:] == shorter and longer[0].isalpha()
