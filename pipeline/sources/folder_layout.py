"""What the sub-folders of an image tree mean: splits, classes, or a place for unlabelled images.

    PATH/CLASS/*.png                      the sub-folder's name is the class
    PATH/unlabelled/*.png                 (or right in PATH): images without a label
    PATH/train/..., test/..., val/...     splits, each a tree of classes of its own

Splits are known by name, in any case: train or training, test, val, valid or validation, certify or
certification. They are splits
where the training split is one of several, or where no other folder stands beside them; a folder "train"
among "bus" and "plane" is a class.

A folder for unlabelled images is known by its name in any case and with any signs between its letters:
unlabelled or unlabeled, not labelled or not labeled, no label or no labels, without label or without labels
("_unlabeled" and "No-Label" too). `--unlabelled-folders` names more. Where `--classes` lists the classes, the
images of all other folders are unlabelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DataError, did_you_mean
from pipeline.remote.urls import Url
from pipeline.sources.image_tree import ImageFile

_UNLABELLED = frozenset(
    (
        "unlabelled",
        "unlabeled",
        "notlabelled",
        "notlabeled",
        "nolabel",
        "nolabels",
        "withoutlabel",
        "withoutlabels",
    )
)
_SPLIT_OF = {
    "train": "train",
    "training": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "certify": "certify",
    "certification": "certify",
}


def plain(name: str) -> str:
    """Returns the letters and digits of a name in lower case; the name itself where it has none."""
    return "".join(sign for sign in name.casefold() if sign.isalnum()) or name


def means_unlabelled(name: str) -> bool:
    """Tells whether a name says in one of the known spellings that there is no label."""
    return plain(name) in _UNLABELLED


@dataclass(frozen=True)
class FolderNames:
    """What a user says of the sub-folders.

    Attributes:
        classes: the names of the classes, in order; empty: every folder's name is one.
        unlabelled: names of folders of unlabelled images, besides those that are known.
    """

    classes: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    _known: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    def is_unlabelled(self, name: str) -> bool:
        """Whether a folder is one for unlabelled images; one that is listed as a class is none."""
        # asked of each image several times, and there are few folders
        known = self._known.get(name)
        if known is None:
            listed = means_unlabelled(name) or plain(name) in map(plain, self.unlabelled)
            known = self._known[name] = listed and name not in self.classes
        return known

    def class_of(self, below: str) -> str:
        """Returns the folder that a path below its split's folder lies in, "" for an unlabelled image."""
        top, slash, _ = below.partition("/")
        return top if slash and not self.is_unlabelled(top) else ""


def find_splits(
    root: Path | Url, listed: Sequence[ImageFile], *, folders_are_classes: bool, names: FolderNames
) -> dict[str, list[tuple[ImageFile, str]]]:
    """Sorts the files of an image tree into splits.

    Args:
        root: the tree, for messages.
        listed: its image files.
        folders_are_classes: whether folders say the classes; else a label file does.
        names: what the user says of the folders.

    Returns:
        For each split its files, each with the path below its split's folder.

    Raises:
        DataError: a file outside of the splits, two folders for one split, or no training split.
    """
    tops = sorted({file.path.split("/")[0] for file in listed if "/" in file.path})
    folders = [top for top in tops if not names.is_unlabelled(top)]
    splits = {
        top: _SPLIT_OF[top.lower()]
        for top in folders
        if top.lower() in _SPLIT_OF and top not in names.classes
    }
    others = [top for top in folders if top not in splits]
    several = "train" in splits.values() and len(splits) > 1
    if not splits or (others and not several):
        return {"train": [(file, file.path) for file in listed]}
    if "train" not in splits.values():
        if not folders_are_classes:
            return {"train": [(file, file.path) for file in listed]}
        raise DataError(
            f"{str(root)!r} holds {_listed(list(splits))}, which is named like a split, but no training "
            "images beside it. Add a sub-folder 'train', or give the folder that holds the class folders."
        )
    _check_one_folder_a_split(root, splits)
    found: dict[str, list[tuple[ImageFile, str]]] = {split: [] for split in splits.values()}
    for file in listed:
        top, _, below = file.path.partition("/")
        if below and names.is_unlabelled(top):
            found["train"].append((file, file.path))
        elif below and top in splits:
            found[splits[top]].append((file, below))
        else:
            raise DataError(
                f"{str(root)!r} has the splits {' and '.join(sorted(splits))}, but also the image "
                f"{file.path!r} outside of them. Move it to one of them or to a sub-folder 'unlabelled', or "
                "name its folder as one of unlabelled images (--unlabelled-folders)."
            )
    return found


def _check_one_folder_a_split(root: Path | Url, splits: Mapping[str, str]) -> None:
    named: dict[str, str] = {}
    for top, split in splits.items():
        if split in named:
            raise DataError(
                f"{str(root)!r} has two folders for the {split} split, {named[split]!r} and {top!r}. "
                "Put their images into one."
            )
        named[split] = top


def check_unlabelled(root: Path | Url, paths: Sequence[str], names: FolderNames) -> None:
    """Checks that the folders which are said to be unlabelled are there.

    Args:
        root: the tree, for the message.
        paths: of all images, each below its split's folder.
        names: what the user says of the folders.

    Raises:
        DataError: one is not; names the nearest.
    """
    tops = {top for top, slash, _ in (path.partition("/") for path in paths) if slash}
    there = {plain(top) for top in tops}
    for name in names.unlabelled:
        if plain(name) not in there:
            raise DataError(
                f"{str(root)!r} has no sub-folder {name!r} with images, which --unlabelled-folders names."
                f"{did_you_mean(name, sorted(tops))}"
            )


def check_classes(root: Path | Url, paths: Sequence[str], names: FolderNames) -> None:
    """Checks that the class folders do not all hold the same sub-folders, which then look like the classes.

    Args:
        root: the tree, for the message.
        paths: of one split, below its folder.
        names: what the user says of the folders; where it lists the classes there is nothing to check.

    Raises:
        DataError: they do, and no image lies right in a class folder.
    """
    inner: dict[str, set[str]] = {}
    for path in paths if not names.classes else ():
        if name := names.class_of(path):
            _, second, *rest = path.split("/")
            inner.setdefault(name, set()).add(second if rest else "")
    repeated = next(iter(inner.values()), set())
    if (
        len(inner) > 1
        and len(repeated) > 1
        and all("" not in below and below == repeated for below in inner.values())
    ):
        raise DataError(
            f"{str(root)!r}: the folders {_listed(list(inner))} all hold the same sub-folders "
            f"{_listed(sorted(repeated))}. If those are the classes, put them at the top, each with all "
            "of its images; if the upper folders are, list them (--classes)."
        )


def check_held_out(
    root: Path | Url, splits: Mapping[str, Sequence[tuple[ImageFile, str]]], names: FolderNames
) -> None:
    """Checks that the folders of a held-out split are classes of the training split, where both have folders.

    Args:
        root: the tree, for the message.
        splits: of `find_splits`.
        names: what the user says of the folders; where it lists the classes there is nothing to check.

    Raises:
        DataError: none of them is, as in a tree whose held-out labels lie in a file (ImageNet's).
    """
    found = {
        split: {name for _, below in members if (name := names.class_of(below))}
        for split, members in splits.items()
    }
    trained = found.pop("train", set())
    for split, folders in found.items() if not names.classes else ():
        if trained and folders and not trained & folders:
            raise DataError(
                f"{str(root)!r}: of the {split} split's folders {_listed(sorted(folders))} none is a "
                f"class of the training split ({_listed(sorted(trained))}). If a file says which classes its "
                "images are of, name it: --test-labels FILE (and --label-columns 1,2 if it has no header)."
            )


def _listed(names: Sequence[str], shown: int = 4) -> str:
    more = len(names) - shown
    return ", ".join(map(repr, names[:shown])) + (f" and {more} more" if more > 0 else "")
