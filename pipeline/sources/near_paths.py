"""The path that was probably meant, among very many: by look-ups, not by comparing with each."""

from __future__ import annotations

import bisect
import functools
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

from pipeline.errors import did_you_mean

NEIGHBOURS = 500


class NearPaths:
    """Finds the nearest of some relative paths. The tables are made at the first question.

    Args:
        known: the paths, with "/" between their parts.
    """

    def __init__(self, known: Collection[str]) -> None:
        self._known = known

    def did_you_mean(self, path: str) -> str:
        """Returns " Did you mean 'x'?", or "" where none is near.

        Looks for the same path in another case, then the same file name in another folder, then with
        another suffix, and else among the paths that come next in the alphabet.
        """
        by_path, by_name, by_stem, ordered = self._tables
        pure = PurePosixPath(_plain(path))
        found = by_path.get(str(pure)) or by_name.get(pure.name) or by_stem.get(pure.stem)
        if found is not None:
            return f" Did you mean {found!r}?"
        place = bisect.bisect(ordered, path)
        return did_you_mean(path, ordered[max(0, place - NEIGHBOURS) : place + NEIGHBOURS])

    @functools.cached_property
    def _tables(self) -> tuple[dict[str, str], dict[str, str], dict[str, str], list[str]]:
        by_path: dict[str, str] = {}
        by_name: dict[str, str] = {}
        by_stem: dict[str, str] = {}
        ordered = sorted(self._known)
        for path in ordered:
            pure = PurePosixPath(_plain(path))
            by_path.setdefault(str(pure), path)
            by_name.setdefault(pure.name, path)
            by_stem.setdefault(pure.stem, path)
        return by_path, by_name, by_stem, ordered


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path.replace("\\", "/")).casefold()
