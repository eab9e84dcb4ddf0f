"""Inputs of a prediction: files, folders, globs and TFRecord files, as a list of entries to read.

    for entry in find_entries(["photos", "more/*.png", "test-00000-of-00001.tfrecord"]):
        encoded = read_entry(entry)

Finding reads names and record lengths only; an image that cannot be read is a row's problem, not the
job's.
"""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from pipeline.errors import DataError, UsageError, did_you_mean
from pipeline.images.formats import NO_PICTURES, READ, SUFFIXES, UNSUPPORTED, unreadable
from pipeline.remote.parallel import in_parallel
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.store import known, list_files, look_at, read
from pipeline.remote.urls import Url, url_of
from ssgan_tf import tfrecord
from ssgan_tf.declare import is_url, plain_path

_RECORDS = ".tfrecord"
MOST_BYTES = 256 << 20
"""Of an image behind a URL."""


class Entry(NamedTuple):
    """One image to predict.

    Attributes:
        path: the file.
        record: number of the record in a TFRecord file; -1 for an image file.
        offset: where the record's frame begins.
        problem: why it cannot be read, as far as finding it has shown; "" if it may.
        size, mark: of a file behind a URL, as it was listed.
    """

    path: str
    record: int = -1
    offset: int = 0
    problem: str = ""
    size: int = -1
    mark: str = ""

    @property
    def name(self) -> str:
        """What the `path` column says."""
        return self.path if self.record < 0 else f"{self.path}#{self.record}"


class Unreadable(Exception):
    """An entry's bytes cannot be had; its text says why."""


def find_entries(inputs: Sequence[str]) -> list[Entry]:
    """Lists the images that the inputs name, each once, in the order given and by name within a folder.

    Args:
        inputs: image files, TFRecord files, folders (searched to all depths), or patterns with * ? [ ]; URLs
            of image files and folders.

    Raises:
        UsageError: there is no input.
        DataError: an input does not exist, or holds no image.
    """
    if not inputs:
        raise UsageError("nothing to predict: name files, folders, patterns or TFRecord files.")
    found: dict[str, list[Entry]] = {}
    for text in inputs:
        text = plain_path(text)
        if is_url(text):
            found |= {entry.path: [entry] for entry in remote_entries(url_of(text))}
            continue
        for file in _files(text):
            found[file] = list(_records(file)) if _RECORDS in Path(file).name else [_entry(file)]
    entries = [entry for of_file in found.values() for entry in of_file]
    if not entries:
        raise DataError(f"there is no image in {', '.join(map(repr, inputs))}.")
    return entries


def read_entries(entries: Sequence[Entry]) -> Iterator[bytes | Unreadable]:
    """Reads entries in their order, those behind URLs several at a time.

    Raises:
        DataError: what is behind a URL cannot be reached.
    """
    remote = read_remote([entry for entry in entries if is_url(entry.path)])
    for entry in entries:
        if is_url(entry.path):
            got = next(remote)
            yield got if isinstance(got, bytes) else Unreadable(got)
            continue
        try:
            yield read_entry(entry)
        except Unreadable as reason:
            yield reason


def read_entry(entry: Entry) -> bytes:
    """Reads an entry's encoded image.

    Raises:
        Unreadable: the file is gone or may not be read, or the record is damaged or holds no image.
    """
    if entry.problem:
        raise Unreadable(entry.problem)
    if is_url(entry.path):
        got = next(read_remote([entry]))
        if isinstance(got, str):
            raise Unreadable(got)
        return got
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


def remote_entries(url: Url) -> list[Entry]:
    """The image that a URL names, or those of its folder.

    Raises:
        DataError: there is none, or it cannot be reached.
    """
    try:
        files = [look_at(url)] if _is_image_name(PurePosixPath(url.name)) else list_files(url)
    except FileNotFoundError:
        files = []
    if not files:
        # a folder that is called like an image, or an image that is not
        with contextlib.suppress(FileNotFoundError):
            files = list_files(url) or [look_at(url)]
    found = known([file for file in files if _is_image_name(PurePosixPath(file.path)) and not _dotted(file)])
    if not found:
        pattern = " A pattern cannot be a URL: name the folder." if glob.has_magic(url.path) else ""
        raise DataError(f"'{url}' does not exist, or holds no image ({', '.join(READ)}).{pattern}")
    return [_remote_entry(file) for file in found]


def _remote_entry(file: RemoteFile) -> Entry:
    problem = _entry(file.path).problem
    if _RECORDS in file.url.name:
        problem = "a TFRecord file behind a URL is not read: copy it here"
    elif file.size is None or file.size > MOST_BYTES:
        problem = f"the server does not say how large it is, or more than {MOST_BYTES >> 20} MiB"
    return Entry(str(file.url), problem=problem, size=-1 if file.size is None else file.size, mark=file.mark)


def read_remote(entries: Sequence[Entry]) -> Iterator[bytes | str]:
    """Yields the bytes of each entry, or why they cannot be had."""

    def one(entry: Entry) -> bytes | str:
        scheme, _, path = entry.path.partition("://")
        try:
            return entry.problem or read(RemoteFile(Url(scheme, path), path, entry.size, entry.mark))
        except FileNotFoundError:
            return "cannot be read: it is gone"

    return in_parallel(entries, one, weight=lambda entry: max(0, entry.size))


def _dotted(file: RemoteFile) -> bool:
    return any(part.startswith(".") for part in file.path.split("/"))


def _entry(path: str) -> Entry:
    kind = UNSUPPORTED.get(Path(path).suffix.lower())
    # by name too: many camera RAW files are told from TIFF by nothing else
    return Entry(path, problem=unreadable(kind) if kind else "")


def _is_image_name(path: PurePath) -> bool:
    kind = UNSUPPORTED.get(path.suffix.lower(), NO_PICTURES[0])
    return path.suffix.lower() in SUFFIXES or kind not in NO_PICTURES or _RECORDS in path.name


def _hidden(relative: PurePath) -> bool:
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
