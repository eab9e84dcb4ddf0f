"""Inputs of a prediction: files, folders, globs and TFRecord files, as a list of entries to read.

    for entry in find_entries(["photos", "more/*.png", "test-00000-of-00001.tfrecord"]):
        encoded = read_entry(entry)

Finding reads names and record lengths only; an image that cannot be read is a row's problem, not the
job's.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import DataError, UsageError, did_you_mean
from pipeline.images.formats import NO_PICTURES, READ, SUFFIXES, UNSUPPORTED, unreadable
from ssgan_tf import tfrecord

_RECORDS = ".tfrecord"


class Entry(NamedTuple):
    """One image to predict.

    Attributes:
        path: the file.
        record: number of the record in a TFRecord file; -1 for an image file.
        offset: where the record's frame begins.
        problem: why it cannot be read, as far as finding it has shown; "" if it may.
    """

    path: str
    record: int = -1
    offset: int = 0
    problem: str = ""

    @property
    def name(self) -> str:
        """What the `path` column says."""
        return self.path if self.record < 0 else f"{self.path}#{self.record}"


class Unreadable(Exception):
    """An entry's bytes cannot be had; its text says why."""


def find_entries(inputs: Sequence[str]) -> list[Entry]:
    """Lists the images that the inputs name, each once, in the order given and by name within a folder.

    Args:
        inputs: image files, TFRecord files, folders (searched to all depths), or patterns with * ? [ ].

    Raises:
        UsageError: there is no input.
        DataError: an input does not exist, or holds no image.
    """
    if not inputs:
        raise UsageError("nothing to predict: name files, folders, patterns or TFRecord files.")
    files: dict[str, None] = {}
    for text in inputs:
        files |= dict.fromkeys(_files(text))
    entries: list[Entry] = []
    for file in files:
        entries += _records(file) if _RECORDS in Path(file).name else [_entry(file)]
    if not entries:
        raise DataError(f"there is no image in {', '.join(map(repr, inputs))}.")
    return entries


def read_entry(entry: Entry) -> bytes:
    """Reads an entry's encoded image.

    Raises:
        Unreadable: the file is gone or may not be read, or the record is damaged or holds no image.
    """
    if entry.problem:
        raise Unreadable(entry.problem)
    try:
        if entry.record < 0:
            return Path(entry.path).read_bytes()
        with Path(entry.path).open("rb") as file:
            file.seek(entry.offset)
            length = tfrecord.length_in(file.read(tfrecord.HEAD))
            body = b"" if length is None else file.read(length + tfrecord.TAIL)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    return _image_of(body)


def _files(text: str) -> list[str]:
    path = Path(text)
    if path.is_dir():
        found = [
            str(item)
            for item in sorted(path.rglob("*"))
            if _is_image_name(item) and _may_be_read(item) and not _hidden(item.relative_to(path))
        ]
        if not found:
            raise DataError(
                f"the folder {text!r} holds no image; looked for {', '.join(READ)} and {_RECORDS}."
            )
        return found
    if path.is_file():
        return [text]
    if glob.has_magic(text):
        # Path.glob takes no absolute patterns
        found = sorted(item for item in glob.glob(text, recursive=True) if Path(item).is_file())  # noqa: PTH207
        if not found:
            raise DataError(f"no file fits the pattern {text!r}.")
        return found
    siblings = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    raise DataError(f"{text!r} does not exist.{did_you_mean(path.name, siblings)}")


def _may_be_read(path: Path) -> bool:
    """Whether it is a file, or a link to one that is gone: an image that cannot be read has its row too."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _entry(path: str) -> Entry:
    kind = UNSUPPORTED.get(Path(path).suffix.lower())
    # by name too: many camera RAW files are told from TIFF by nothing else
    return Entry(path, problem=unreadable(kind) if kind else "")


def _is_image_name(path: Path) -> bool:
    kind = UNSUPPORTED.get(path.suffix.lower(), NO_PICTURES[0])
    return path.suffix.lower() in SUFFIXES or kind not in NO_PICTURES or _RECORDS in path.name


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _records(path: str) -> Iterator[Entry]:
    """Walks over the lengths of a TFRecord file; where they make no sense, one entry says so."""
    size = Path(path).stat().st_size
    number = offset = 0
    with Path(path).open("rb") as file:
        while offset < size:
            file.seek(offset)
            length = tfrecord.length_in(file.read(tfrecord.HEAD))
            if length is None:
                yield Entry(path, number, offset, "damaged TFRecord file: the rest of it is left out")
                return
            following = offset + tfrecord.HEAD + length + tfrecord.TAIL
            yield Entry(path, number, offset, "the record is cut off" if following > size else "")
            offset, number = following, number + 1


def _image_of(body: bytes) -> bytes:
    from google.protobuf.message import DecodeError

    payload = tfrecord.payload_of(body)
    if payload is None:
        raise Unreadable("the record has a wrong checksum")
    import tensorflow as tf

    try:
        example = tf.train.Example.FromString(payload)
    except DecodeError:
        raise Unreadable("the record is no tf.train.Example") from None
    values = example.features.feature[tfrecord.ENCODED].bytes_list.value
    if not values:
        raise Unreadable(f"the record has no {tfrecord.ENCODED}")
    return values[0]
