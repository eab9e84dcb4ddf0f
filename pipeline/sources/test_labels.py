"""The test split of an image folder, named by a label file of its own: `--test-labels FILE`.

Its images are tested on and on nothing else: they are in no other split, with a label or without. Where they
all lie in a folder for held-out images that is no tree of classes (ImageNet's val/, with the training images
in folders of their classes), that folder is the test split and gets its labels from the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipeline.errors import DataError, did_you_mean
from pipeline.sources.image_tree import ImageFile

Listed = list[tuple[ImageFile, str]]


def take_test_split(
    splits: Mapping[str, Listed],
    labels: Mapping[str, str],
    given: Mapping[str, str],
    file: str,
    *,
    from_file: bool,
) -> tuple[dict[str, Listed], dict[str, str]]:
    """Takes the images that a file names out of the training split.

    Args:
        splits: of the folder, each with its images.
        labels: path to label of all images, "" where there is none.
        given: path to label of the test images.
        file: that says so, as it was named.
        from_file: whether `labels` are a label file's; else the class folders say them.

    Returns:
        The splits with "test", and the labels with those of the test images.

    Raises:
        DataError: the folder has a test split with labels of its own; or the file names no image, or one
            that has no label in it, is also named by the other file, lies in another class's folder or
            outside of the training images, or is of a class that no other image is of.
    """
    place = f"the test labels {file!r}"
    if not given:
        raise DataError(f"{place} name no image.")
    free = {one.path for one, _ in splits["train"]}
    taken = [member for member in splits["train"] if member[0].path in given]
    if held := _folder_of(splits, labels, given):
        taken = splits[held]
        splits = {split: members for split, members in splits.items() if split != held}
        inside = {one.path for one, _ in taken}
        free |= inside
        labels = {path: label for path, label in labels.items() if path not in inside}
    elif splits.get("test"):
        raise DataError(f"{place}: the folder has a test split of its own. Leave out --test-labels.")
    rest = {path: label for path, label in labels.items() if path not in given}
    classes = sorted({label for label in rest.values() if label})
    for path, label in given.items():
        if not label:
            raise DataError(f"{place}: {path!r} has no label, so it cannot be tested on.")
        if path not in free:
            raise DataError(f"{place}: {path!r} is not among the training images, but in another split.")
        if from_file and path in labels:
            raise DataError(f"{place}: {path!r} is in the label file too. Take it out of one of the two.")
        if labels.get(path, "") not in ("", label):
            raise DataError(f"{place}: {path!r} is {label!r} there, and lies in the folder {labels[path]!r}.")
        if label not in classes:
            raise DataError(
                f"{place}: {path!r} is {label!r}, a class without an image to train on."
                f"{did_you_mean(label, classes)}"
            )
    left = [member for member in splits["train"] if member[0].path not in given]
    return {**splits, "train": left, "test": taken}, {**rest, **given}


def _folder_of(splits: Mapping[str, Listed], labels: Mapping[str, str], given: Collection[str]) -> str | None:
    """The held-out split that a file is about: all of its rows lie there, and no folder there is a class."""
    classes = {labels.get(one.path, "") for one, _ in splits["train"]} - {""}
    for split in ("test", "validation"):
        inside = {one.path for one, _ in splits.get(split, ())}
        if inside.issuperset(given) and not any(labels.get(path) in classes for path in inside):
            return split
    return None
