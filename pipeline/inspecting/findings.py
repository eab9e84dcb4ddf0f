"""What was seen of a data set, in figures and first examples: the document of `ganpipe inspect --json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.data_schema.schema import MODES
from pipeline.inspecting.hashes import near_pairs
from pipeline.inspecting.look import Seen
from pipeline.sources.doubts import find_doubts
from pipeline.sources.further_columns import in_a_sentence
from pipeline.sources.source import Source

SHOWN = 20
SIZES = 10
# a picture of so little contrast looks like any other such
DULL = 4


@dataclass
class Findings:
    """What is known of a data set.

    Attributes:
        document: plain values.
        pairs: near-duplicates, of images that were looked at.
        odd: constant, tiny and turned images, by these names.
        total: images of the source.
    """

    document: dict[str, Any]
    pairs: list[tuple[Seen, Seen]] = field(default_factory=list)
    odd: dict[str, list[Seen]] = field(default_factory=dict)
    total: int = 0


def find(source: Source, seen: Sequence[Seen]) -> Findings:
    """Sums up what was seen.

    Args:
        source: the data set; its listing is counted whole, whatever was looked at.
        seen: the images that were.
    """
    total = sum(source.splits().values())
    usable = [one for one in seen if not one.reason]
    names = source.class_names()
    counts = _counts(source, seen)
    pairs = _near(usable)
    odd = {
        "constant": [one for one in usable if one.constant],
        "tiny": [one for one in usable if one.tiny],
        "turned by their Exif orientation": [one for one in usable if one.orientation != 1],
    }
    further = source.further_columns()
    in_all: Counter[int] = Counter()
    for of_split in counts.values():
        in_all.update(of_split)
    sides = [one.height * one.width for one in usable]
    document: dict[str, Any] = {
        "images": total,
        "looked_at": len(seen),
        "sampled": len(seen) < total,
        "splits": {
            split: {"images": size, "labelled": size - counts[split][-1]}
            for split, size in source.splits().items()
        },
        "classes": {
            name: {split: of_split[i] for split, of_split in counts.items()} for i, name in enumerate(names)
        },
        "sizes": [
            {"height": height, "width": width, "images": count}
            for (height, width), count in Counter((one.height, one.width) for one in usable).most_common(
                SIZES
            )
        ],
        "different_sizes": len({(one.height, one.width) for one in usable}),
        "smallest": _size(usable, min, sides),
        "largest": _size(usable, max, sides),
        "modes": {
            MODES.get(channels, str(channels)): count
            for channels, count in Counter(one.channels for one in usable).most_common()
        },
        "formats": dict(Counter(one.form for one in usable).most_common()),
        "bytes": sum(one.bytes for one in seen),
        **{name.partition(" ")[0]: _some(found) for name, found in odd.items()},
        "duplicates": _duplicates(usable),
        "near_duplicates": {
            "pairs": len(pairs),
            "across_splits": sum(one.split != other.split for one, other in pairs),
            "first": _places(pairs, across=False),
            "first_across_splits": _places(pairs, across=True),
        },
        "across_splits": _across(usable),
        "under_two_labels": _contradictions(usable),
        "skipped": _skipped(seen),
        "aside": [
            {"kind": row.kind, "advice": row.advice, "count": row.count, "first": list(row.first)}
            for row in source.aside() or ()
        ],
        "columns": {name: list(further[0].values[name]) for name in further[0].names} if further else {},
        "no_slices": in_a_sentence(further[0].left_out) if further else "",
        "doubts": find_doubts(
            {name: in_all[i] for i, name in enumerate(names)},
            origin=source.classes_from,
            passed_over=source.passed_over,
        ),
    }
    return Findings(document, pairs, odd, total)


def _counts(source: Source, seen: Sequence[Seen]) -> dict[str, Counter[int]]:
    """Labels of each split: of all images where the source lists them, else of those that were looked at."""
    if source.lists_labels:
        return {split: Counter(label for _, label in source.labels(split)) for split in source.splits()}
    return {split: Counter(one.label for one in seen if one.split == split) for split in source.splits()}


def _places(pairs: Sequence[tuple[Seen, Seen]], *, across: bool) -> list[list[str]]:
    chosen = [pair for pair in pairs if (pair[0].split != pair[1].split) == across]
    return [[one.place, other.place] for one, other in chosen[:SHOWN]]


def _size(usable: Sequence[Seen], which: Any, sides: Sequence[int]) -> list[int] | None:
    if not usable:
        return None
    one = usable[sides.index(which(sides))]
    return [one.height, one.width]


def _some(found: Sequence[Seen]) -> dict[str, Any]:
    return {"count": len(found), "first": [one.place for one in found[:SHOWN]]}


def _groups(usable: Sequence[Seen]) -> list[list[Seen]]:
    groups: dict[str, list[Seen]] = {}
    for one in usable:
        groups.setdefault(one.digest, []).append(one)
    return [group for group in groups.values() if len(group) > 1]


def _duplicates(usable: Sequence[Seen]) -> dict[str, Any]:
    groups = _groups(usable)
    return {
        "groups": len(groups),
        "images": sum(len(group) - 1 for group in groups),
        "first": [[one.place for one in group[:SHOWN]] for group in groups[:SHOWN]],
    }


def _across(usable: Sequence[Seen]) -> dict[str, Any]:
    """The same pixels in the training images and in those that are held out: the figures would be too "
    "good."""
    found = [group for group in _groups(usable) if len({one.split for one in group}) > 1]
    return {
        "images": sum(one.split != "train" for group in found for one in group),
        "first": [[one.place for one in group[:SHOWN]] for group in found[:SHOWN]],
    }


def _contradictions(usable: Sequence[Seen]) -> dict[str, Any]:
    found = [group for group in _groups(usable) if len({one.label for one in group} - {-1}) > 1]
    return {"groups": len(found), "first": [[one.place for one in group[:SHOWN]] for group in found[:SHOWN]]}


def _skipped(seen: Sequence[Seen]) -> list[dict[str, Any]]:
    places: dict[str, list[str]] = {}
    for one in seen:
        if one.reason:
            places.setdefault(one.reason, []).append(one.place)
    return [
        {"kind": reason, "count": len(found), "first": found[:SHOWN]}
        for reason, found in sorted(places.items(), key=lambda item: -len(item[1]))
    ]


def _near(usable: Sequence[Seen]) -> list[tuple[Seen, Seen]]:
    """Pairs that look the same and are not the same pixels; of each picture the first copy stands for all."""
    firsts = list({one.digest: one for one in reversed(usable) if one.contrast >= DULL}.values())[::-1]
    if not firsts:
        return []
    copies = np.stack([one.copy for one in firsts])
    pairs = [(firsts[one], firsts[other]) for one, other in near_pairs([one.hash for one in firsts], copies)]
    # those that matter most first: a picture that is tested on and trained on
    return sorted(pairs, key=lambda pair: (pair[0].split == pair[1].split, pair[0].place, pair[1].place))
