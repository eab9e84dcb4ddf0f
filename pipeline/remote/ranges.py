"""How the bytes of a file are asked for: once, of a range, and no more than a byte too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.errors import DataError
from pipeline.remote.patience import limit_of
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.systems import inner, system_of, timed


def read_range(file: RemoteFile, start: int, stop: int) -> bytes:
    """Asks once for the bytes from `start` to `stop` (exclusive); what comes may be shorter or a byte longer.

    Raises:
        Exception: whatever the file system's library raises.
    """
    return _WAYS.get(file.url.scheme, _as_usual)(system_of(file.url.scheme), file, start, stop)


def _as_usual(system: Any, file: RemoteFile, start: int, stop: int) -> bytes:
    limit = limit_of(stop - start)
    found: bytes = timed(system, "cat_file", inner(file.url), limit=limit, start=start, end=stop)
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


_Way = Callable[[Any, RemoteFile, int, int], bytes]
_WAYS: dict[str, _Way] = {"s3": _from_s3, "http": _from_web, "https": _from_web}
