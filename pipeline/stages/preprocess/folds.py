"""Which labelled images a fold tests on.

The pictures of each class stand in the order of a keyed hash, one class after the other, and go to the
folds in turn. So the folds part the labelled images, each class is spread over them as evenly as it can be,
and they differ in size by one at most, however small the classes are. A picture of
which there are copies is tested once, where its fold is; its copies leave the training split of that fold. A
class with a single picture is not tested: a model that has never seen it could not name it.
"""

from __future__ import annotations

import numpy as np

from pipeline.stages.preprocess.members import Members


def rows_of_fold(members: Members, rows: np.ndarray, *, fold: int, folds: int, seed: int) -> np.ndarray:
    """Returns the rows that a fold tests on.

    Args:
        members: the images.
        rows: the labelled ones that are tested on, contradicted ones left out.
        fold: from 0.
        folds: their number, from 2.
        seed: of the draw.
    """
    pictures = _pictures(members, rows, seed)
    # fewer pictures than folds go to different ones, so one at least is left to train on
    tested = pictures[_of_its_class(members, pictures) > 1]
    return tested[fold::folds]


def alone(members: Members, rows: np.ndarray, *, seed: int) -> list[int]:
    """Returns the classes that are not tested, as they have one picture only."""
    pictures = _pictures(members, rows, seed)
    return members.labels[pictures[_of_its_class(members, pictures) == 1]].tolist()


def _pictures(members: Members, rows: np.ndarray, seed: int) -> np.ndarray:
    """The rows by class and hash, of copies in a class the first one."""
    ranked = members.in_hashed_order(rows, seed=seed, purpose="fold", by_class=True)
    if not len(ranked):
        return ranked
    again = members.same_pixels(ranked[1:], ranked[:-1])
    again &= members.labels[ranked[1:]] == members.labels[ranked[:-1]]
    return ranked[np.r_[True, ~again]]


def _of_its_class(members: Members, rows: np.ndarray) -> np.ndarray:
    labels = members.labels[rows]
    return np.bincount(labels)[labels] if len(rows) else labels
