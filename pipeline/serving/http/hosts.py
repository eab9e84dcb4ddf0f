"""Which names a server on loopback answers to, so that no web page reaches it by DNS rebinding.

A page of evil.example can let its own name point at 127.0.0.1, and then counts as the server's own page.
Its requests carry that name as Host: only loopback names and literal addresses are taken, as TensorBoard
and Jupyter do, and those that the user allows. A request of another page carries its Origin, and is
refused by the same rule.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from pipeline.serving.status import ServingError


class Hosts:
    """Checks the headers Host and Origin."""

    def __init__(self, bound: str, allowed: str, *, any_origin: bool) -> None:
        """Sets the rule.

        Args:
            bound: address that the server listens on; beyond loopback nothing is checked unless names
                are allowed.
            allowed: names that are taken too, separated by commas.
            any_origin: pages of other origins may ask (`--cors`).
        """
        self._names = frozenset(name.strip().lower().rstrip(".") for name in allowed.split(",")) - {""}
        self._checks = bool(self._names) or _is_loopback(bound)
        self._any_origin = any_origin
        self._takes = lru_cache(maxsize=256)(self._is_taken)

    def check(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Checks a request's headers; a missing one is not from a browser.

        Raises:
            ServingError: PERMISSION_DENIED, naming the header.
        """
        if not self._checks:
            return
        for name, value in headers:
            if name == b"host" and not self._takes(b"//" + value):
                raise _refused("Host", value)
            if name == b"origin" and not self._any_origin and not self._takes(value):
                raise _refused("Origin", value)

    def _is_taken(self, place: bytes) -> bool:
        try:
            name = (urlsplit(place.decode("ascii")).hostname or "").rstrip(".")
            return name in self._names or name.endswith(".localhost") or _is_literal(name)
        except ValueError:
            return False


def _is_literal(name: str) -> bool:
    if name == "localhost":
        return True
    ipaddress.ip_address(name)
    return True


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refused(header: str, value: bytes) -> ServingError:
    shown = ascii(value[:100].decode("latin-1"))
    return ServingError(
        "PERMISSION_DENIED",
        f"{header} {shown} is none of this server's names. Start it with --allowed-hosts NAME to allow it.",
    )
