"""A folder or a file behind a URL: listed in a fixed order, read whole or by range, its length checked.

for file in list_files(url):
    content = read(file)
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import DataError
from pipeline.remote import patience
from pipeline.remote.listing import MOST_FILES, names_below
from pipeline.remote.parallel import in_parallel
from pipeline.remote.patience import ShortBody, with_retries
from pipeline.remote.ranges import read_range
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.systems import inner, is_web, system_of, timed
from pipeline.remote.urls import Url

_MARKS = (
    *("ETag", "etag", "md5Hash", "crc32c", "blob_id", "Content-MD5", "Digest"),
    *("LastModified", "Last-Modified", "updated", "mtime"),
)


def list_files(url: Url) -> list[RemoteFile]:
    """Lists the files below a folder, to all depths, sorted by path; an object that is a folder's mark ends
    with "/".

    Sizes and marks of plain web servers are asked for by `known`.

    Raises:
        FileNotFoundError: there is no such bucket or page.
        DataError: it may not be listed, or the store failed each time.
    """
    root, found = inner(url), []
    for name, info in names_below(url):
        if info.get("type") == "directory" and not name.endswith("/"):
            continue
        # a page may name files of anywhere, and a store lists the file itself where a folder was named
        if not name.startswith(root + "/") or name == root + "/":
            continue
        below = name[len(root) + 1 :]
        found.append(_file(Url(url.scheme, f"{url.path}/{below}"), info, below))
        if len(found) > MOST_FILES:
            raise DataError(f"{url} holds more than {MOST_FILES:,} files.")
    return sorted(found, key=lambda file: file.path)


def look_at(url: Url) -> RemoteFile:
    """Looks at one file.

    Raises:
        FileNotFoundError: there is none.
        DataError: it may not be read, or the store failed each time.
    """
    system = system_of(url.scheme)

    def once() -> Mapping[str, Any]:
        system.invalidate_cache()
        return timed(system, "info", inner(url), limit=patience.SECONDS)

    info = with_retries(f"look at {url}", once)
    if info.get("type") == "directory":
        raise FileNotFoundError(str(url))
    return _file(url, info, url.name)


def known(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """The files with sizes and marks, which web servers tell of each file only; one that is gone stays."""

    def completed(file: RemoteFile) -> RemoteFile:
        if file.size is not None and file.mark:
            return file
        try:
            found = look_at(file.url)
        except FileNotFoundError:
            return file
        return RemoteFile(file.url, file.path, found.size, found.mark)

    return list(in_parallel(files, completed, weight=lambda file: 1))


def read(file: RemoteFile, start: int = 0, stop: int | None = None) -> bytes:
    """Reads a file, or its bytes from `start` to `stop` (exclusive); no more of them than were listed.

    Raises:
        FileNotFoundError: it is gone.
        DataError: it may not be read, is of another size now, or the store failed each time.
    """
    if file.size is None:
        raise DataError(f"the server does not say how large {file.url} is, so it is not read.")
    stop = file.size if stop is None else min(stop, file.size)
    size = max(0, stop - start)
    if not size:
        return b""

    def once() -> bytes:
        body = read_range(file, start, stop)
        if len(body) != size:
            raise ShortBody(f"{len(body):,} bytes came, and {size:,} were listed (has it changed since?)")
        return body

    return with_retries(f"read {file.url}", once)


def _file(url: Url, info: Mapping[str, Any], path: str) -> RemoteFile:
    size = info.get("size", info.get("Size"))
    mark = next((str(info[name]).strip('"') for name in _MARKS if info.get(name)), "")
    shown = urllib.parse.unquote(path) if is_web(url) else path
    return RemoteFile(url, shown, int(size) if size is not None else None, mark)
