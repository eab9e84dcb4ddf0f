"""`folder:PATH`: an image tree.

    PATH/CLASS/*.png              the sub-folder's name is the class (pipeline.sources.folder_layout)
    PATH/unlabelled/*.png         images without a label
    PATH/train/..., test/...      splits
    PATH/**/*.png + a CSV         only the CSV's labels count (pipeline.sources.label_file)

Which files are images, and which of them are read, `pipeline.images` says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.errors import DataError, UsageError
from pipeline.images.formats import OPTIONAL, WORDS, unreadable
from pipeline.sources.files import InputFile
from pipeline.sources.folder_layout import check_classes, class_of, find_splits
from pipeline.sources.image_tree import ImageFile, Tree, inside, list_tree
from pipeline.sources.label_file import check_paths, read_label_file, ways_to_label
from pipeline.sources.source import Aside, Item, Source, class_order


@dataclass(frozen=True)
class Folder(Source):
    """An image tree as it was when it was opened.

    Attributes:
        root: the folder.
        files: the image files and their label (class index or -1), for each split.
        names: class names.
        label_digest: digest of the label file, else "".
        beside: the files that are no items.
        read_here: which of the formats that need something installed are there and are read; "" for none.
    """

    name: ClassVar[str] = "folder"
    root: Path
    files: dict[str, tuple[tuple[ImageFile, int], ...]]
    names: tuple[str, ...]
    label_digest: str = ""
    beside: tuple[Aside, ...] = ()
    read_here: str = ""

    def splits(self) -> dict[str, int]:
        """Number of image files of each split."""
        return {split: len(files) for split, files in self.files.items()}

    def class_names(self) -> tuple[str, ...]:
        """The labels of the label file, else the names of the class folders, sorted."""
        return self.names

    def digest(self) -> str:
        """Hex digest of the images' paths, sizes and times, and of the label file's bytes."""
        digest = hashlib.sha256(self.label_digest.encode())
        for split, files in sorted(self.files.items()):
            for file, _ in files:
                line = f"{split}\0{file.path}\0{file.size}\0{file.mtime_ns}\0{file.problem or ''}\n"
                digest.update(line.encode())
        # what is installed decides which of them can be read
        digest.update(self.read_here.encode())
        return digest.hexdigest()

    def aside(self) -> tuple[Aside, ...]:
        """Files of formats that are not read, and files that are no images."""
        return self.beside

    def read(self, split: str, start: int, stop: int) -> Iterator[Item]:
        """Reads a range of image files; one that cannot be read comes with its problem."""
        real_root = os.path.realpath(self.root)
        for file, label in self.files[split][start:stop]:
            encoded, problem = b"", file.problem
            if problem is None:
                path = self.root / file.path
                try:
                    # looked at again: a link may have been laid since the folder was listed
                    if inside(path, real_root):
                        encoded = path.read_bytes()
                    else:
                        problem = "gone, or a symbolic link that leaves the folder"
                except OSError as error:
                    problem = f"cannot be read: {error.strerror}"
            if problem is not None:
                yield Item(file.path, label, problem=problem)
            else:
                yield Item(file.path, label, encoded=encoded)

    def labels(self, split: str) -> Iterator[tuple[str, int]]:
        """Path and label of every file, from the listing: none is read."""
        for file, label in self.files[split]:
            yield file.path, label

    def ways_to_label(self) -> list[str]:
        """A label file or class folders, with names of files that are there."""
        if self.label_digest:
            return ["Fill the column label of the label file: it is empty in every row."]
        return ways_to_label(self.root, [file.path for file, _ in self.files["train"]])


def open_source(argument: str, *, data_dir: str | None = None, labels: str | None = None) -> Folder:
    """Lists the folder and finds each image's split and label.

    Raises:
        UsageError: no folder was named.
        DataError: the folder is missing or holds no images, its sub-folders or the label file are wrong.
    """
    if not argument:
        raise UsageError("the data set 'folder' wants a folder: folder:PATH.")
    root = Path(argument).expanduser()
    tree = list_tree(root)
    listed = tree.images
    if not listed:
        raise DataError(f"{str(root)!r} holds no images ({WORDS}).{_advice_on(tree)}")
    splits = find_splits(root, listed, folders_are_classes=labels is None)
    if labels is not None:
        label_file = InputFile.of(Path(labels).expanduser())
        label_of = read_label_file(label_file)
        check_paths(label_of, dict.fromkeys(_known(tree)), file=label_file)
        label_digest = label_file.sha256()
    else:
        for members in splits.values():
            check_classes(root, [below for _, below in members])
        label_of = {file.path: class_of(below) for members in splits.values() for file, below in members}
        label_digest = ""
    names = class_order(label for label in label_of.values() if label)
    index = {name: i for i, name in enumerate(names)} | {"": -1}
    files = {
        split: tuple((file, index[label_of.get(file.path, "")]) for file, _ in members)
        for split, members in splits.items()
    }
    return Folder(
        root=root,
        files=files,
        names=names,
        label_digest=label_digest,
        beside=tree.aside(),
        read_here=_read_here(tree),
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
    endings = {ending for file in tree.images for ending in OPTIONAL if file.path.lower().endswith(ending)}
    names = {"AVIF" if ending == ".avif" else "HEIC" for ending in endings}
    return " ".join(sorted(name for name in names if not unreadable(name)))
