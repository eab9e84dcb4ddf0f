"""Request bodies within limits: each one's size, and the sum of those held in memory."""

from __future__ import annotations

import zlib
from typing import Any

from pipeline.serving.status import ServingError, invalid


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


def too_large(limit: int) -> str:
    """Returns the text of 413."""
    return f"The request's body is larger than the {limit} bytes allowed."


class Bodies:
    """Reads bodies, and counts those that are read or being answered.

    Attributes:
        max_body, max_held: bytes of one body, and of all together.
        held: bytes held now.
    """

    def __init__(self, *, max_body: int, max_held: int) -> None:
        self.max_body, self.max_held = max_body, max_held
        self.held = 0

    def hold(self, size: int) -> None:
        """Counts bytes as held, until `release` is called with the same number.

        Raises:
            ServingError: RESOURCE_EXHAUSTED, all together would be too large; then nothing is counted.
        """
        if self.held + size > self.max_held:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"Requests of more than {self.max_held} bytes are under way; try again later.",
            )
        self.held += size

    def release(self, size: int) -> None:
        """Counts bytes as gone."""
        self.held -= size

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
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
                self._check(size + len(parts[-1]))
                self.hold(len(parts[-1]))
                size += len(parts[-1])
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            if (b"content-encoding", b"gzip") in scope["headers"]:
                packed, body = len(body), self._unzipped(body)
                grown = max(0, len(body) - packed)
                self.hold(grown)
                size += grown
        except BaseException:
            self.release(size)
            raise
        return body, size

    def _check(self, size: int) -> None:
        if size > self.max_body:
            raise ServingError("INVALID_ARGUMENT", too_large(self.max_body), http_status=413)

    def _unzipped(self, packed: bytes) -> bytes:
        # never more than the limit and one byte, whatever the archive would grow to
        stream = zlib.decompressobj(wbits=31)
        try:
            body = stream.decompress(packed, self.max_body + 1)
        except zlib.error as error:
            raise invalid("The body is no valid gzip: ", error) from None
        self._check(len(body))
        if not stream.eof:
            raise invalid("The body's gzip is cut off.")
        return body
