"""A folder or a file behind a URL: listed in a fixed order, read whole or by range, its length checked.

    for file in list_files(url):
        content = read(file)

One file system a process and scheme, made at first use: a `RemoteFile` travels to workers as plain values,
and credentials never travel. Lists are not remembered: each is asked for anew.
"""

from __future__ import annotations

import functools
import os
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.errors import DataError
from pipeline.remote import patience
from pipeline.remote.patience import ShortBody, limit_of, with_retries
from pipeline.remote.urls import Url

READERS = 16
HELD_BYTES = 64 << 20
"""Files that are read at once, and bytes of them that may wait in memory (or one file that is larger)."""
MOST_FILES = 5_000_000
LIST_SECONDS = 3600.0
_MARKS = (
    *("ETag", "etag", "md5Hash", "crc32c", "blob_id", "Content-MD5", "Digest"),
    *("LastModified", "Last-Modified", "updated", "mtime"),
)
_lock = threading.Lock()
F = TypeVar("F")
T = TypeVar("T")


@dataclass(frozen=True)
class RemoteFile:
    """A file as it was when it was listed.

    Attributes:
        url: of the file.
        path: below the folder that was listed, with "/" between its parts; of a single file its name.
        size: bytes; None where the server does not say.
        mark: what changes with its content, such as the ETag; "" where the server gives nothing of the kind.
    """

    url: Url
    path: str
    size: int | None
    mark: str


def list_files(url: Url) -> list[RemoteFile]:
    """Lists the files below a folder, to all depths, sorted by path; an object that is a folder's mark ends
    with "/".

    Sizes and marks of plain web servers are asked for by `known`.

    Raises:
        FileNotFoundError: there is no such bucket or page.
        DataError: it may not be listed, or the store failed each time.
    """
    root, found = _inner(url), []
    for name, info in _pages_of_s3(url) if url.scheme == "s3" else _listed(url):
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


def _pages_of_s3(url: Url) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Lists page by page: each page of a thousand is tried again by itself."""
    system, bucket, _, prefix = _system(url.scheme), *url.path.partition("/")
    asked = {"Bucket": bucket, "Prefix": prefix + "/" if prefix else ""}
    while True:
        page = with_retries(
            f"list {url}",
            lambda: _timed(system, "call_s3", "list_objects_v2", limit=patience.SECONDS, **asked),
        )
        for one in page.get("Contents", ()):
            yield f"{bucket}/{one['Key']}", one
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _listed(url: Url) -> Iterator[tuple[str, Mapping[str, Any]]]:
    system, root = _system(url.scheme), _inner(url)

    def once() -> Mapping[str, Mapping[str, Any]]:
        system.invalidate_cache()
        if _is_web(url):
            return _timed(system, "find", f"{root}/", limit=LIST_SECONDS, detail=True, on_error=_unless_gone)
        return _timed(system, "find", root, limit=LIST_SECONDS, detail=True)

    yield from with_retries(f"list {url}", once).items()


def _unless_gone(error: Exception) -> None:
    """Of a page that cannot be read: a list without what it names would be taken for the whole one."""
    if not isinstance(error, FileNotFoundError):
        raise error


def look_at(url: Url) -> RemoteFile:
    """Looks at one file.

    Raises:
        FileNotFoundError: there is none.
        DataError: it may not be read, or the store failed each time.
    """
    system = _system(url.scheme)

    def once() -> Mapping[str, Any]:
        system.invalidate_cache()
        return _timed(system, "info", _inner(url), limit=patience.SECONDS)

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
    system, ask = _system(file.url.scheme), _WAYS.get(file.url.scheme, _as_usual)

    def once() -> bytes:
        body = ask(system, file, start, stop)
        if len(body) != size:
            raise ShortBody(f"{len(body):,} bytes came, and {size:,} were listed (has it changed since?)")
        return body

    return with_retries(f"read {file.url}", once)


def in_parallel(files: Sequence[F], work: Callable[[F], T], weight: Callable[[F], int]) -> Iterator[T]:
    """Yields `work(file)` of each file in their order, `READERS` at a time.

    Args:
        files: what is worked on.
        work: is called from several threads.
        weight: bytes of a result; those that wait have `HELD_BYTES` at most.

    What a call raises is raised where its result would stand.
    """
    if len(files) < 2:
        yield from map(work, files)
        return
    pool = ThreadPoolExecutor(min(READERS, len(files)), thread_name_prefix="remote")
    waiting: list[tuple[int, Future[T]]] = []
    held = position = 0
    try:
        while waiting or position < len(files):
            while position < len(files) and len(waiting) < 2 * READERS:
                bytes_ = weight(files[position])
                if waiting and held + bytes_ > HELD_BYTES:
                    break
                waiting.append((bytes_, pool.submit(work, files[position])))
                held, position = held + bytes_, position + 1
            bytes_, first = waiting.pop(0)
            result = first.result()
            held -= bytes_
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _file(url: Url, info: Mapping[str, Any], path: str) -> RemoteFile:
    size = info.get("size", info.get("Size"))
    mark = next((str(info[name]).strip('"') for name in _MARKS if info.get(name)), "")
    shown = urllib.parse.unquote(path) if _is_web(url) else path
    return RemoteFile(url, shown, int(size) if size is not None else None, mark)


def _is_web(url: Url) -> bool:
    return url.scheme in ("http", "https")


def _inner(url: Url) -> str:
    """What its file system calls it."""
    return str(url) if _is_web(url) else url.path


def _system(scheme: str) -> Any:
    with _lock:
        return _made(scheme, os.getpid())


@functools.lru_cache(maxsize=8)
def _made(scheme: str, process: int) -> Any:
    """The file system of a scheme in a process, with what the user's fsspec configuration says of it."""
    import fsspec
    from fsspec.config import conf

    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        patient = {
            "connect_timeout": 10,
            "read_timeout": patience.SECONDS,
            "max_pool_connections": 2 * READERS,
            # here is one place that tries again: three would multiply
            "retries": {"total_max_attempts": 1},
        }
        options["config_kwargs"] = {**patient, **conf.get("s3", {}).get("config_kwargs", {})}
    elif scheme in ("http", "https"):
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=patience.SECONDS)
        options["client_kwargs"] = {"timeout": limit, **conf.get(scheme, {}).get("client_kwargs", {})}
    system = fsspec.filesystem(scheme, **options)
    system.retries = 1
    return system


def _timed(system: Any, method: str, *args: Any, limit: float, **kwargs: Any) -> Any:
    """Calls a method of a file system; one that is asynchronous is given up after `limit` seconds."""
    if system.async_impl:
        from fsspec.asyn import sync

        return sync(system.loop, getattr(system, f"_{method}"), *args, timeout=limit, **kwargs)
    return getattr(system, method)(*args, **kwargs)


def _as_usual(system: Any, file: RemoteFile, start: int, stop: int) -> bytes:
    limit = limit_of(stop - start)
    found: bytes = _timed(system, "cat_file", _inner(file.url), limit=limit, start=start, end=stop)
    return found


def _from_s3(system: Any, file: RemoteFile, start: int, stop: int) -> bytes:
    """Reads an object in one request, which is refused where its ETag is another by now."""
    from fsspec.asyn import sync

    bucket, _, key = file.url.path.partition("/")
    asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{stop - 1}"}
    if file.mark:
        asked["IfMatch"] = f'"{file.mark}"'

    async def bounded() -> bytes:
        answer = await system._call_s3("get_object", **asked)
        async with answer["Body"] as stream:
            found: bytes = await stream.read(stop - start + 1)
            return found

    found: bytes = sync(system.loop, bounded, timeout=limit_of(stop - start))
    return found


def _from_web(system: Any, file: RemoteFile, start: int, stop: int) -> bytes:
    """Reads from a web server, which may send more than it said: of that a byte too many is read."""
    from fsspec.asyn import sync

    async def bounded() -> bytes:
        session = await system.set_session()
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{stop - 1}"}
        async with session.get(system.encode_url(str(file.url)), headers=headers) as answer:
            system._raise_not_found_for_status(answer, str(file.url))
            if answer.status != 206 and start:
                raise DataError(f"the server of {file.url} sends whole files only. Copy it here.")
            body = bytearray()
            while len(body) <= stop - start and (block := await answer.content.read(1 << 16)):
                body += block
            return bytes(body[: stop - start + 1])

    found: bytes = sync(system.loop, bounded, timeout=limit_of(stop))
    return found


_WAYS = {"s3": _from_s3, "http": _from_web, "https": _from_web}
