"""Reads request bodies within limits: each one's size, and the sum of those held in memory."""

from __future__ import annotations

import zlib
from typing import Any

from pipeline.serving.http.limits import too_large
from pipeline.serving.status import ServingError, invalid


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


class BodyReader:
    """Gives bodies to the application.

    Attributes:
        held: bytes of all bodies that are read or being answered.
    """

    def __init__(self, *, max_body: int, max_held: int) -> None:
        """Sets the limits, in bytes: of one body and of all together."""
        self._max_body, self._max_held = max_body, max_held
        self.held = 0

    async def read(self, scope: Any, receive: Any) -> tuple[bytes, int]:
        """Reads a request's body.

        Returns:
            The body, and the bytes that count as held until `release` is called with them.

        Raises:
            ServingError: INVALID_ARGUMENT with HTTP status 413 for a large body; RESOURCE_EXHAUSTED
                where all together are too large.
            ClientGone: the connection closed meanwhile.
        """
        parts: list[bytes] = []
        size = 0
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(part)
                self.held += len(part)
                self._check(size)
                parts.append(part)
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            if (b"content-encoding", b"gzip") in scope["headers"]:
                packed, body = len(body), self._unzipped(body)
                size += len(body) - packed
                self.held += len(body) - packed
        except BaseException:
            self.held -= size
            raise
        return body, size

    def release(self, size: int) -> None:
        """Counts a body's bytes as gone."""
        self.held -= size

    def _check(self, size: int) -> None:
        if size > self._max_body:
            raise ServingError("INVALID_ARGUMENT", too_large(self._max_body), http_status=413)
        if self.held > self._max_held:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"Requests of more than {self._max_held} bytes are under way; try again later.",
            )

    def _unzipped(self, packed: bytes) -> bytes:
        # never more than the limit and one byte, whatever the archive would grow to
        stream = zlib.decompressobj(wbits=31)
        try:
            body = stream.decompress(packed, self._max_body + 1)
        except zlib.error as error:
            raise invalid("The body is no valid gzip: ", error) from None
        self._check(len(body))
        if not stream.eof:
            raise invalid("The body's gzip is cut off.")
        return body
