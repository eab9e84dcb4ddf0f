"""A file behind a URL, as plain values that travel to workers."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.remote.urls import Url


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
