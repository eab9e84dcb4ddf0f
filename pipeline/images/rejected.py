"""Why an image file cannot be used: its own fault, or the machine's."""

from __future__ import annotations

from pipeline.errors import GanpipeError

DAMAGED = "its header cannot be read: it is damaged or cut off"


class Rejected(Exception):
    """An image that cannot be used; its text is the reason, without paths or times."""


class OutOfMemory(GanpipeError):
    """There is no room for an image that may be good: the run stops, no image is dropped."""
