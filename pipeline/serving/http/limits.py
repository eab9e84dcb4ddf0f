"""The connection's limits: how many, how slow, how large. A protocol for uvicorn that keeps them.

uvicorn waits for ever for a request's header and body, and keeps trailers of any size. Here each
connection remembers since when it waits, and `sweep`, called a few times a second, ends those that are late
with 408. Connections over the limit get 503, headers and trailers over the limit 431, announced bodies
over the limit 413: before a byte is kept.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.serving.http.bodies import too_large
from pipeline.serving.json_forms.answer import error_json

MAX_HEADER = 32 * 1024
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 8 * 1024 * 1024
_TOO_LONG = f"The request's header, or what follows its body, is larger than {MAX_HEADER} bytes."


@dataclass
class Gate:
    """The limits, and the connections that are open.

    Attributes:
        max_connections: open connections; more are refused.
        max_body: bytes of a request's body.
        header_timeout, body_timeout: seconds a client has to send them; an answer must be read within
            `body_timeout` too.
    """

    max_connections: int
    max_body: int
    header_timeout: float
    body_timeout: float
    connections: set[LimitedProtocol] = field(default_factory=set)

    def protocol(self) -> type[LimitedProtocol]:
        """Returns the protocol class that keeps these limits, for uvicorn's `http` setting."""
        return type("GatedProtocol", (LimitedProtocol,), {"gate": self})

    def sweep(self, now: float) -> None:
        """Ends the connections that are late at the time `now` (of `time.monotonic`)."""
        for connection in list(self.connections):
            connection.sweep(now)


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `gate` is set by `Gate.protocol`."""

    gate: Gate

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.header_since: float | None = None
        self.body_since: float | None = None
        self.write_since: float | None = None
        self.refused_since: float | None = None
        # bytes since the request's begin, its header's end or the last part of its body, whatever was last
        self.framing = 0
        self.discarded = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, or refuses it with 503."""
        super().connection_made(transport)
        self.gate.connections.add(self)
        self.header_since = time.monotonic()
        count = len(self.gate.connections)
        if count > 2 * self.gate.max_connections:
            transport.abort()
        elif count > self.gate.max_connections:
            self.refuse(503, f"Too many connections; the limit is {self.gate.max_connections}.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self.gate.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, counting what is no body; after a refusal throws the bytes away."""
        if self.refused_since is not None:
            self.discarded += len(data)
            if self.discarded > _LINGER_BYTES:
                self.transport.abort()
            return
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.header_since is None and self.body_since is None:
            self.header_since = time.monotonic()
        self.framing += len(data)
        super().data_received(data)
        waits = self.header_since is not None or self.body_since is not None
        if waits and self.framing > MAX_HEADER:
            self.refuse(431, _TOO_LONG)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keeps a connection whose client only stopped sending until its whole request is answered."""
        waits = self.cycle is not None and not self.cycle.response_complete and self.body_since is None
        if waits:
            self.cycle.keep_alive = False
        return waits

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header; a trailer, which comes after the body, is dropped."""
        if self.body_since is None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begins the request, unless its announced body is too large."""
        fed, self.header_since, self.framing = self.framing, None, 0
        if self.refused_since is not None:
            return
        # what was fed may hold a body too, so that only a suspicion is measured
        size = len(self.url) + sum(len(a) + len(b) + 4 for a, b in self.headers) if fed > MAX_HEADER else 0
        if size > MAX_HEADER:
            self.refuse(431, _TOO_LONG)
            return
        for name, value in self.headers:
            if name == b"content-length" and int(value) > self.gate.max_body:
                self.refuse(413, too_large(self.gate.max_body))
                return
        self.body_since = time.monotonic()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Passes a part of the body on, unless the request was refused."""
        self.framing = 0
        if self.refused_since is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the wait for the body."""
        self.body_since, self.framing = None, 0
        if self.refused_since is None:
            super().on_message_complete()

    def pause_writing(self) -> None:
        """Notes since when the client does not read."""
        self.write_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Notes that the client reads again."""
        self.write_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP; as JSON, like every other error here."""
        self.refuse(400, msg)

    def sweep(self, now: float) -> None:
        """Ends the connection if it is late."""
        gate = self.gate
        if self.refused_since is not None:
            if now - self.refused_since > _LINGER_SECONDS:
                self.transport.abort()
        elif self.header_since is not None and now - self.header_since > gate.header_timeout:
            if not self.framing:
                # a connection opened in advance, as browsers do: nothing was asked
                self.transport.close()
                return
            self.refuse(408, f"The request's header did not come within {gate.header_timeout:g} s.")
        elif self.body_since is not None and now - self.body_since > gate.body_timeout:
            self.refuse(408, f"The request's body did not come within {gate.body_timeout:g} s.")
        elif self.write_since is not None and now - self.write_since > gate.body_timeout:
            self.transport.abort()

    def refuse(self, status: int, message: str) -> None:
        """Answers without the application, and closes once the client has had time to read it."""
        if self.refused_since is not None:
            return
        self.refused_since = time.monotonic()
        self.header_since = self.body_since = None
        self._unset_keepalive_if_required()
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.is_closing():
            return
        if not (busy and self.cycle.response_started):
            body = error_json(message)
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
