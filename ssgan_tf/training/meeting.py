"""Waits until the other processes of a training are there, before TensorFlow does (no TensorFlow here).

TensorFlow's own wait holds the interpreter's lock, and takes SIGTERM for a notice of preemption: a process
that is inside it neither ends nor runs a handler. So it gets to wait only for processes that have come.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterable

_POLL_SECONDS = 0.25
_ANSWER_SECONDS = 1.0


def meet(address: str, others: Iterable[str]) -> None:
    """Returns once each of the others has said something to a connection.

    Until then this process says something too. One that has met all goes on to TensorFlow, whose gRPC
    server opens every connection with a greeting of its own: so the last to look finds it as well.

    Args:
        address: host:port of this process; it listens on all interfaces, as TensorFlow does after it.
        others: host:port of each other process; their names need not be known yet.

    Raises:
        OSError: the port is taken.
    """
    with _Server(("", _split(address)[1]), _Greeting) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        thread.start()
        try:
            for other in others:
                while not _is_there(other):
                    time.sleep(_POLL_SECONDS)
        finally:
            server.shutdown()


def _is_there(address: str) -> bool:
    """Whether a program at the address says anything; a port that only accepts may be of any program."""
    try:
        with socket.create_connection(_split(address), _ANSWER_SECONDS) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


class _Greeting(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"here\n")


class _Server(socketserver.TCPServer):
    # the connections that it has closed must not keep TensorFlow from the port
    allow_reuse_address = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()
