"""Which labelled images a fold tests on.

The pictures of each class stand in the order of a keyed hash, one class after the other, and go to the
folds in turn. So the folds part the labelled images, each class is spread over them as evenly as it can be,
and they differ in size by one at most, however small the classes are. A picture of
which there are copies is tested once, where its fold is; its copies leave the training split of that fold. A
class with a single picture is not tested: a model that has never seen it could not name it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.stages.preprocess.members import Member, in_hashed_order


def members_of_fold(
    by_class: Mapping[int, Sequence[Member]], *, fold: int, folds: int, seed: int
) -> list[Member]:
    """Returns the images that a fold tests on.

    Args:
        by_class: class index to its labelled images, contradicted ones left out.
        fold: from 0.
        folds: their number, from 2.
        seed: of the draw.
    """
    chosen: list[Member] = []
    place = 0
    for _, members in sorted(by_class.items()):
        first: dict[str, Member] = {}
        for _, member in in_hashed_order(members, seed, "fold"):
            first.setdefault(member.digest, member)
        if len(first) < 2:
            continue
        # fewer pictures than folds go to different ones, so one at least is left to train on
        chosen += [member for n, member in enumerate(first.values(), place) if n % folds == fold]
        place += len(first)
    return chosen


def alone(by_class: Mapping[int, Sequence[Member]]) -> list[int]:
    """Returns the classes that are not tested, as they have one picture only."""
    return [label for label, members in by_class.items() if len({m.digest for m in members}) == 1]
