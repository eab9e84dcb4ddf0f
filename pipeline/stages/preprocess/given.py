"""A draw that is given instead of made: the lines of `labelled.txt`.

    0f3c...                 a training image that keeps its label
    9a1b...<tab>test        an image of the test split (or validation, or certify), where the source has none
                            of its own

A line names an image by its key, the digest of its decoded pixels. So the file repeats the draw with any
seed and from any format that holds the same pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DataError, did_you_mean
from pipeline.stages.preprocess.members import Member

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


def given_lines(members: Sequence[Member]) -> str:
    """Returns the text of `labelled.txt`: labelled training images, then what was drawn to be held out."""
    labelled = sorted(m.key for m in members if m.output == "train" and m.labelled)
    held_out = sorted((m.output, m.key) for m in members if m.output in HELD_OUT and m.own == "train")
    return "".join([*(f"{key}\n" for key in labelled), *(f"{key}\t{split}\n" for split, key in held_out)])


def check_keys(wanted: frozenset[str], usable: Mapping[str, Member], everywhere: frozenset[str]) -> None:
    """Checks that given keys name images that can be labelled.

    Args:
        wanted: keys.
        usable: the images among which they must be.
        everywhere: keys of all images of the source.

    Raises:
        DataError: the first wrong key, what is wrong with it, and how many more there are.
    """
    wrong = dict.fromkeys(wanted - everywhere, "is no image of the data set")
    wrong |= dict.fromkeys((wanted & everywhere) - usable.keys(), "is no usable training image")
    for key in wanted & usable.keys():
        if usable[key].label < 0:
            wrong[key] = "has no label in the data set"
        elif usable[key].contradicted:
            wrong[key] = "has the same pixels as an image of another class, so its label is not known"
    if wrong:
        first = min(wrong)
        more = f" ({len(wrong) - 1} more keys are wrong)" if len(wrong) > 1 else ""
        near = did_you_mean(first, sorted(usable)[:5000]) if first not in everywhere else ""
        raise DataError(f"labelled key {first!r} {wrong[first]}.{near}{more}")
