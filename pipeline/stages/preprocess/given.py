"""A draw that is given instead of made: the lines of `labelled.txt`.

    0f3c...                 a training image that keeps its label
    9a1b...<tab>test        an image of the test split (or validation, or certify), where the source has none
                            of its own

A line names an image by its key, the digest of its decoded pixels. So the file repeats the draw with any
seed and from any format that holds the same pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.errors import DataError, did_you_mean
from pipeline.stages.preprocess.members import Members, rows_where

HELD_OUT = ("test", "validation", "certify")


@dataclass(frozen=True)
class Given:
    """Keys of the training images that keep their label, and key to split of the held-out images."""

    labelled: frozenset[str]
    held_out: Mapping[str, str] = field(default_factory=dict)

    def names(self, split: str) -> bool:
        """Whether it says which images a held-out split is made of."""
        return split in self.held_out.values()


def read_given(path: Path) -> Given:
    """Reads a file of keys, as `labelled.txt` of prepared data has them.

    Raises:
        DataError: it cannot be read, holds no labelled key, a key twice, or an unknown split.
    """
    place = f"the labelled keys {str(path)!r}"
    try:
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    except OSError as error:
        raise DataError(f"cannot read {place}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{place} are not UTF-8 text.") from None
    rows = [line.partition("\t")[::2] for line in lines]
    for key, split in rows:
        if split and split not in HELD_OUT:
            raise DataError(
                f"{place}: {key!r} is given to the split {split!r}.{did_you_mean(split, HELD_OUT)} "
                f"Valid: {', '.join(HELD_OUT)}, or nothing for a labelled training image."
            )
    labelled = frozenset(key for key, split in rows if not split)
    if not labelled:
        raise DataError(f"{place} hold no key.")
    twice = [key for key, count in Counter(key for key, _ in rows).items() if count > 1]
    if twice:
        raise DataError(f"{place} hold {min(twice)!r} twice.")
    return Given(labelled, {key: split for key, split in rows if split})


def given_lines(members: Members) -> Iterator[str]:
    """Yields the lines of `labelled.txt`: labelled training images, then what was drawn to be held out."""
    rows = rows_where(members.going_to("train") & members.labelled)
    for key in members.keys(members.in_key_order(rows)):
        yield f"{key}\n"
    for split in sorted(HELD_OUT):
        rows = rows_where(members.going_to(split) & members.own("train"))
        for key in members.keys(members.in_key_order(rows)):
            yield f"{key}\t{split}\n"


def check_keys(
    wanted: frozenset[str], members: Members, usable: np.ndarray, *, everywhere: np.ndarray
) -> list[int]:
    """Checks that given keys name images that can be labelled; returns their rows.

    Args:
        wanted: keys.
        members: all images.
        usable: those among which they must be, bool [N].
        everywhere: those that are known at all, bool [N].

    Raises:
        DataError: the first wrong key, what is wrong with it, and how many more there are.
    """
    rows = members.rows_of(wanted, usable)
    missing = wanted - rows.keys()
    known = members.rows_of(missing, everywhere) if missing else {}
    wrong = {
        key: "is no usable training image" if key in known else "is no image of the data set"
        for key in missing
    }
    for key, row in rows.items():
        if members.labels[row] < 0:
            wrong[key] = "has no label in the data set"
        elif members.contradicted[row]:
            wrong[key] = "has the same pixels as an image of another class, so its label is not known"
    if wrong:
        first = min(wrong)
        more = f" ({len(wrong) - 1} more keys are wrong)" if len(wrong) > 1 else ""
        near = ""
        if first in missing and first not in known:
            some = members.in_key_order(rows_where(usable))[:5000]
            near = did_you_mean(first, list(members.keys(some)))
        raise DataError(f"labelled key {first!r} {wrong[first]}.{near}{more}")
    return list(rows.values())
