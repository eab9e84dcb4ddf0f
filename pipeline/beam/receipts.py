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


class Receipts:
    """A receipt in the making: takes one text after the other and holds none of them."""

    def __init__(self) -> None:
        self._count, self._digest = 0, hashlib.blake2b(digest_size=16)

    def add(self, text: str) -> None:
        """Takes the text of the next image, which has no line breaks of its own."""
        self._digest.update((f"\n{text}" if self._count else text).encode("utf-8", "surrogateescape"))
        self._count += 1

    def receipt(self) -> Receipt:
        """Returns the receipt of all that was taken."""
        return Receipt(self._count, self._digest.hexdigest())


def receipt_of(texts: Iterable[str]) -> Receipt:
    """Returns the receipt of images in their order, each told by a text without line breaks of its own."""
    made = Receipts()
    for text in texts:
        made.add(text)
    return made.receipt()
