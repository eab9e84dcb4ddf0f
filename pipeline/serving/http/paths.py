"""The REST API's URLs, taken apart as TensorFlow Serving does (`model_servers/http_rest_api_util.cc`).

Names from a URL are only ever looked up in the table of served models; no path of a file is made of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from pipeline.exported.layout import MAX_VERSION
from pipeline.serving.status import invalid

_WHICH = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?"
_POST = re.compile(rf"/v1/models/([^/:]+){_WHICH}:(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_GET = re.compile(rf"/v1/models(?:/([^/:]+))?{_WHICH}(?:/(metadata))?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Target:
    """What a URL names.

    Attributes:
        model: the model's name, "" where the URL has none.
        version, label: at most one is given.
        action: predict, classify, regress, metadata or status.
    """

    model: str
    version: int | None
    label: str | None
    action: str


@lru_cache(maxsize=512)
def parse_path(method: str, path: str) -> Target:
    """Reads a request's method and raw path (still percent-encoded, without the query).

    Raises:
        ServingError: INVALID_ARGUMENT, "Malformed request" or a version beyond 64 bits.
    """
    pattern = {"POST": _POST, "GET": _GET}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise invalid(f"Malformed request: {method} {path}")
    name, number, label, action = match.groups()
    if number is not None and (len(number) > 19 or int(number) > MAX_VERSION):
        raise invalid("Failed to convert version: ", number, " to numeric.")
    return Target(
        model=_decoded(name or ""),
        version=int(number) if number is not None else None,
        label=_decoded(label) if label is not None else None,
        action=(action or "status").lower(),
    )


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")
