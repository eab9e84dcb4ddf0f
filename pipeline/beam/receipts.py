"""Receipts: what a worker says that it did with a piece, for the driver to hold against what it expects.

    receipt = receipt_of(f"{key} {label}" for ...)

An engine that loses an element, or ends well although a task did not, is found out so, whatever it says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class Receipt(NamedTuple):
    """How many images a task dealt with, and a digest (32 hex characters) of which ones, in their order."""

    images: int
    keys: str


def receipt_of(keys: Iterable[str]) -> Receipt:
    """Returns the receipt of images in their order, each told by a text without line breaks of its own."""
    texts = list(keys)
    whole = "\n".join(texts).encode("utf-8", "surrogateescape")
    return Receipt(len(texts), hashlib.blake2b(whole, digest_size=16).hexdigest())
