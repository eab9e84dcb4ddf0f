"""`folder:PATH`: an image tree, on a disk or behind a URL.

    PATH/CLASS/*.png              the sub-folder's name is the class (pipeline.sources.folder_layout)
    PATH/unlabelled/*.png         images without a label (and in other spellings)
    PATH/train/..., test/...      splits
    PATH/**/*.png + label files   only their labels count (pipeline.sources.label_file)

Which files are images, and which of them are read, `pipeline.images` says.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pipeline.errors import DataError, UsageError
from pipeline.images.formats import OPTIONAL, WORDS, unreadable
from pipeline.sources.folder_layout import (
    FolderNames,
    check_classes,
    check_held_out,
    check_unlabelled,
    find_splits,
)
from pipeline.sources.further_columns import FurtherColumns
from pipeline.sources.image_places import ImagePlace, place_of
from pipeline.sources.image_tree import Tree, ending_of
from pipeline.sources.label_file import LabelTable, read_label_files, together
from pipeline.sources.label_paths import ENDINGS, find_label_files
from pipeline.sources.packed_files import PackedFiles
from pipeline.sources.source import FOLDERS, LABEL_FILE, LISTED, Aside, Item, Source, class_order
from pipeline.sources.test_labels import take_test_split
from pipeline.sources.ways_to_label import ways_to_label

_BLOCK = 1 << 14


@dataclass(frozen=True)
class Folder(Source):
    """An image tree as it was when it was opened.

    Attributes:
        place: the folder.
        files: the image files and their label (class index or -1), for each split.
        names: class names.
        label_digest: digest of the label files and of the test labels, else "".
        further: further columns of the label files and the paths of their images; not in a worker's copy.
        beside: the files that are no items.
        read_here: which of the formats that need something installed are there and are read; "" for none.
        listed: whether the user listed the classes.
        others: the class folders that are not in that list, with their number of images.
        empty: folders that may have been meant as classes, in which nothing lies.
    """

    name: ClassVar[str] = "folder"
    place: ImagePlace
    files: dict[str, PackedFiles]
    names: tuple[str, ...]
    label_digest: str = ""
    further: tuple[FurtherColumns, Sequence[str]] | None = field(default=None, repr=False, compare=False)
    beside: tuple[Aside, ...] = ()
    read_here: str = ""
    listed: bool = False
    others: tuple[tuple[str, int], ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def classes_from(self) -> str:
        """The user's list, else the label file, else the folders."""
        return LISTED if self.listed else LABEL_FILE if self.label_digest else FOLDERS

    @property
    def passed_over(self) -> Mapping[str, int]:
        """The folders that are not in the user's list of classes."""
        return dict(self.others)

    @property
    def empty_folders(self) -> tuple[str, ...]:
        """Those in which nothing lies, where folders say the classes."""
        return self.empty

    def splits(self) -> dict[str, int]:
        """Number of image files of each split."""
        return {split: len(files) for split, files in self.files.items()}

    def class_names(self) -> tuple[str, ...]:
        """The user's list, else the labels of the label file or the names of the class folders, sorted."""
        return self.names

    def digest(self) -> str:
        """Hex digest of the images' paths and contents, and of the label file's bytes.

        A content's sha256 on a disk; behind a URL size and ETag, for which nothing is read.

        A path counts although no pixel depends on it: it is what the prepared data call an image by, in
        `provenance/`, and what the labels are compared by again.
        """
        digest = hashlib.sha256(self.label_digest.encode())
        for split, files in sorted(self.files.items()):
            for start in range(0, len(files), _BLOCK):
                block = [file for file, _ in files.span(start, start + _BLOCK)]
                contents = self.place.contents([file for file in block if file.problem is None])
                for file in block:
                    said = file.problem if file.problem is not None else next(contents)
                    digest.update(f"{split}\0{file.path}\0{said}\n".encode())
        # what is installed decides which of them can be read
        digest.update(self.read_here.encode())
        return digest.hexdigest()

    def aside(self) -> tuple[Aside, ...]:
        """Files of formats that are not read, and files that are no images."""
        return self.beside

    def read(self, split: str, start: int, stop: int) -> Iterator[Item]:
        """Reads a range of image files; one that cannot be read comes with its problem."""
        wanted = list(self.files[split].span(start, stop))
        contents = self.place.read([file for file, _ in wanted if file.problem is None])
        for file, label in wanted:
            got = file.problem if file.problem is not None else next(contents)
            if isinstance(got, bytes):
                yield Item(file.path, label, encoded=got)
            else:
                yield Item(file.path, label, problem=got)

    def labels(self, split: str) -> Iterator[tuple[str, int]]:
        """Path and label of every file, from the listing: none is read."""
        for file, label in self.files[split]:
            yield file.path, label

    def further_columns(self) -> tuple[FurtherColumns, Sequence[str]] | None:
        """Those of all label files together."""
        return self.further

    def __getstate__(self) -> dict[str, Any]:
        """What travels to a worker, which has no use for further columns."""
        return {**self.__dict__, "further": None}

    def ways_to_label(self) -> list[str]:
        """A label file, which may lie there already, or class folders, with names of files that are there."""
        if self.label_digest:
            return ["Fill the column label of the label file: it is empty in every row."]
        tables = [path for row in self.beside if row.kind in ENDINGS for path in row.first]
        return ways_to_label(self.place.root, [file.path for file, _ in self.files["train"]], tables)


def open_source(
    argument: str,
    *,
    data_dir: str | None = None,
    labels: str | None = None,
    test_labels: str | None = None,
    label_columns: str | None = None,
    classes: Sequence[str] = (),
    unlabelled_folders: Sequence[str] = (),
) -> Folder:
    """Lists the folder and finds each image's split and label.

    Raises:
        UsageError: no folder was named, or one is listed both as a class and as unlabelled.
        DataError: the folder is missing or holds no images, its sub-folders or a label file are wrong.
    """
    if not argument:
        raise UsageError("the data set 'folder' wants a folder: folder:PATH.")
    if both := sorted(set(classes) & set(unlabelled_folders)):
        raise UsageError(f"{both[0]!r} stands both in --classes and in --unlabelled-folders.")
    place = place_of(argument)
    root, tree = place.root, place.tree()
    listed = tree.images
    if not listed:
        raise DataError(f"{str(root)!r} holds no images ({WORDS}).{_advice_on(tree)}")
    names = FolderNames(tuple(classes), tuple(unlabelled_folders))
    splits = find_splits(root, listed, folders_are_classes=labels is None, names=names)
    check_unlabelled(root, [below for members in splits.values() for _, below in members], names)
    others: Counter[str] = Counter()
    tables: list[LabelTable] = []

    def read(text: str) -> dict[str, str]:
        files = find_label_files(text)
        table = read_label_files(
            files, images=_known(tree), root=root, classes=classes, columns=label_columns
        )
        tables.append(table)
        return table.labels

    if labels is not None:
        label_of = read(labels)
    else:
        for members in splits.values():
            check_classes(root, [below for _, below in members], names)
        if test_labels is None:
            check_held_out(root, splits, names)
        label_of = {
            file.path: names.class_of(below) for members in splits.values() for file, below in members
        }
    if test_labels is not None:
        splits, label_of = take_test_split(
            splits, label_of, read(test_labels), test_labels, from_file=labels is not None
        )
    if labels is None and classes:
        others.update(label for label in label_of.values() if label and label not in classes)
    found = tuple(classes) or class_order(label for label in label_of.values() if label)
    index = {name: i for i, name in enumerate(found)}
    files = {
        split: PackedFiles.of((file, index.get(label_of.get(file.path, ""), -1)) for file, _ in members)
        for split, members in splits.items()
    }
    return Folder(
        place=place,
        files=files,
        names=found,
        label_digest="".join(table.digest for table in tables),
        further=together(tables),
        beside=tree.aside(),
        read_here=_read_here(tree),
        listed=bool(classes),
        others=tuple(sorted(others.items())),
        empty=tuple(sorted(tree.empty)) if labels is None else (),
    )


def _known(tree: Tree) -> list[str]:
    """What a label file may name: also images that are not read, which are then named as such."""
    return [file.path for file in tree.images] + [
        path for paths in tree.unsupported.values() for path in paths
    ]


def _advice_on(tree: Tree) -> str:
    rows = [row for row in tree.aside() if row.advice]
    return "".join(
        f" It holds {row.count} of kind {row.kind}, which is not read: {row.advice}." for row in rows
    )


def _read_here(tree: Tree) -> str:
    endings = {ending_of(file.path) for file in tree.images if file.path.lower().endswith(OPTIONAL)}
    names = {"AVIF" if ending == ".avif" else "HEIC" for ending in endings}
    return " ".join(sorted(name for name in names if not unreadable(name)))
