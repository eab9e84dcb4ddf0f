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
from pipeline.images.formats import WORDS
from pipeline.sources.files import InputFile
from pipeline.sources.folder_layout import check_classes, class_of, find_splits
from pipeline.sources.image_tree import ImageFile, inside, list_images
from pipeline.sources.label_file import check_paths, read_label_file, ways_to_label
from pipeline.sources.source import Item, Source, class_order


@dataclass(frozen=True)
class Folder(Source):
    """An image tree as it was when it was opened.

    Attributes:
        root: the folder.
        files: the image files and their label (class index or -1), for each split.
        names: class names.
        label_digest: digest of the label file, else "".
    """

    name: ClassVar[str] = "folder"
    root: Path
    files: dict[str, tuple[tuple[ImageFile, int], ...]]
    names: tuple[str, ...]
    label_digest: str = ""

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
        return digest.hexdigest()

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
    listed = list_images(root)
    if not listed:
        raise DataError(f"{str(root)!r} holds no images ({WORDS}).")
    splits = find_splits(root, listed, folders_are_classes=labels is None)
    if labels is not None:
        label_file = InputFile.of(Path(labels).expanduser())
        label_of = read_label_file(label_file)
        check_paths(label_of, {file.path: None for file in listed}, file=label_file)
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
    return Folder(root=root, files=files, names=names, label_digest=label_digest)
