"""URLs of data and models: which are taken, and what a message may show of one.

    s3://bucket/photos    gs://bucket/photos    https://host/photos    hf://datasets/user/name/photos

A URL stands in settings, logs and reports. So one that holds a password or a key is refused, and not shown.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from dataclasses import dataclass

from pipeline.errors import UsageError, did_you_mean
from ssgan_tf.declare import is_url

EXTRAS = {"s3": "s3", "gs": "gs", "https": "http", "http": "http", "hf": "hf"}
"""Scheme to the extra of this package that brings what reads it."""
_BRINGS = {"s3": "s3fs", "gs": "gcsfs", "http": "aiohttp", "hf": "huggingface_hub"}


@dataclass(frozen=True)
class Url:
    """Where a folder or a file lies; `url_of` makes a checked one.

    Attributes:
        scheme: one of `EXTRAS`.
        path: what follows "://", without a slash at its end: bucket or host, then names.
    """

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __truediv__(self, below: str) -> Url:
        return Url(self.scheme, f"{self.path}/{below}")

    @property
    def name(self) -> str:
        """The last of its names."""
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The last name without its ending."""
        return self.name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """The ending of the last name, with its point."""
        before, point, ending = self.name.rpartition(".")
        return point + ending if before and ending else ""

    @property
    def parent(self) -> Url:
        """The folder that it lies in; of a bucket or host itself."""
        return Url(self.scheme, self.path.rpartition("/")[0] or self.path)

    @property
    def as_path(self) -> str:
        """A path from the root that no file has, for comparing names within one store."""
        return f"/{self.scheme}:/{self.path}"


def url_of(text: str) -> Url:
    """Reads a URL.

    Raises:
        UsageError: its scheme is not known, what reads it is not installed, it holds a user, a password or a
            query, or it names no place.
    """
    scheme, _, path = text.partition("://")
    scheme, path = scheme.lower(), path.rstrip("/")
    shown = f"{scheme}://..."
    if scheme not in EXTRAS:
        raise UsageError(
            f"the URL {shown!r} is of no kind that is read.{did_you_mean(scheme, EXTRAS)} "
            f"Known are {', '.join(f'{name}://' for name in EXTRAS)}, and paths of this machine."
        )
    host = path.partition("/")[0]
    if "@" in host and scheme != "hf":
        raise UsageError(
            f"the URL {shown!r} holds a user or a password, which would stand in settings and logs. "
            "Give credentials as the store's own tools take them (environment, files in your home folder)."
        )
    if scheme in ("http", "https") and ("?" in path or "#" in path):
        raise UsageError(
            f"the URL '{scheme}://{host}/...' has a query, which may hold a key and would stand in settings "
            "and logs. Give the plain URL of a folder or a file."
        )
    names = path.split("/")
    if not host or any(name in (".", "..") for name in names):
        raise UsageError(f"the URL {text!r} must name a bucket or host, and no '.' or '..' behind it.")
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs") for sign in path):
        raise UsageError(f"the URL {text!r} holds signs that are no text of one line.")
    extra = EXTRAS[scheme]
    if any(importlib.util.find_spec(name) is None for name in ("fsspec", _BRINGS[extra])):
        raise UsageError(
            f"{scheme}:// is read with {_BRINGS[extra]}, which is not installed: "
            f"pip install 'ganpipe[{extra}]'"
        )
    return Url(scheme, path)


def refuse_url(text: str, what: str) -> None:
    """Refuses a URL where a path of this machine must stand.

    Args:
        text: what was given.
        what: what it was given for, as a sentence's beginning.

    Raises:
        UsageError: it is a URL.
    """
    if is_url(text):
        raise UsageError(
            f"{what} must be a path of this machine; got a URL ({text.partition(':')[0]}://...)."
        )
