"""What would fail only after hours of training, refused before the images are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import DataError
from pipeline.stages.preprocess.draw import Draw
from pipeline.stages.preprocess.settings import DataConfig


def check_draw(drawn: Draw, class_names: Sequence[str], config: DataConfig, fold: int | None = None) -> None:
    """Checks that there is something to learn from and something to test on.

    A data set without any label passes: a generator needs none. So does a source whose training images
    have no label at all, `data.test_rate=0`, which asks for no test split, and the whole of a draw that has
    folds.

    Raises:
        DataError: one class only, no labelled image left for training, or none for the test split.
    """
    members = drawn.members
    has_label = members.usable & (members.labels >= 0)
    in_train = has_label & members.own("train")
    if not in_train.any():
        return
    classes = set(np.flatnonzero(np.bincount(members.labels[has_label])).tolist())
    if len(classes) == 1:
        raise DataError(
            f"all labelled images are of one class, {class_names[classes.pop()]!r}: there is nothing to tell "
            "apart. Add images of another class; for a generator alone give the images without labels (right "
            "in the folder or in a sub-folder 'unlabelled', not in a class folder)."
        )
    few = np.bincount(members.labels[in_train & ~members.contradicted]).max(initial=0) < 2
    counts = "Each class has one labelled image. " if few else ""
    kept = members.labels[members.going_to("train") & members.labelled]
    labelled = set(np.flatnonzero(np.bincount(kept)).tolist())
    if not labelled:
        raise DataError(f"no labelled image is left for training. {counts}Label more images of each class.")
    if len(labelled) == 1:
        raise DataError(
            f"the labelled training images are all of one class, {class_names[labelled.pop()]!r}: there is "
            "nothing to tell apart. Label images of another class."
        )
    if config.fold_count:
        if fold is not None and not members.going_to("test").any():
            raise DataError(
                f"no labelled image is left for the test split of fold {fold} of {config.fold_count}. "
                f"{counts}Say --folds 2, or label more images."
            )
        return
    if config.test_rate and not members.going_to("test").any():
        if config.labelled_keys:
            raise DataError(
                "data.labelled_keys leaves no labelled image to test on. Say --folds 5, which tests each of "
                "them with a model that has not seen it (as the run did that wrote the list), or name fewer."
            )
        raise DataError(
            f"no labelled image is left for the test split. {counts}Label at least two images of a class, or "
            "give test images of their own (a sub-folder 'test' beside 'train')."
        )
