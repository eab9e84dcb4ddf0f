"""Trying again: what passes by itself (a cut connection, 503, a body too short) is asked for anew.

with_retries("read s3://bucket/a.png", lambda: store.once(...))

What is said for good (not there, not allowed, no credentials) is not, and neither are mistakes of this
program, which pass through.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import DataError

ATTEMPTS = 7
FIRST_WAIT, LONGEST_WAIT = 0.1, 8.0
SECONDS, BYTES_A_SECOND = 30.0, 1 << 18
"""Time that an attempt may take: so many seconds, and what a slow line needs for the bytes."""
LONGEST_TEXT = 200

_FOR_GOOD = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_OF_LIBRARIES = (
    "aiobotocore",
    "aiohttp",
    "asyncio",
    "botocore",
    "concurrent",
    "fsspec",
    "gcsfs",
    "google",
    "http",
    "httpcore",
    "httpx",
    "huggingface_hub",
    "requests",
    "s3fs",
    "urllib3",
)
_NO_KEYS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")
# 400 is S3's answer to a request that came too slowly
_LATER = (400, 408, 409, 425, 429)
T = TypeVar("T")


class ShortBody(OSError):
    """Other bytes came than the listing promised."""


class Changed(DataError):
    """A file is not what was listed any more."""


def limit_of(size: int) -> float:
    """Seconds that one attempt to read so many bytes may take."""
    return SECONDS + size / BYTES_A_SECOND


def with_retries(what: str, attempt: Callable[[], T], wait: Callable[[float], object] = time.sleep) -> T:
    """Returns what `attempt` returns, which is called again while it fails in a way that may pass.

    Args:
        what: is done, for a message: "read s3://bucket/a.png".
        attempt: does it once.
        wait: sleeps.

    Raises:
        FileNotFoundError: it is not there.
        Changed: it is another by now.
        DataError: it is refused, or failed each time; with the reason of the last.
    """
    pause = FIRST_WAIT
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except Exception as raised:
            error = _behind(raised)
            if _status(error) == 404 or (isinstance(error, FileNotFoundError)):
                raise FileNotFoundError(what) from None
            if _status(error) in (412, 416):
                raise Changed(f"cannot {what}: it changed since it was listed. Run again.") from None
            if (refused := _refusal(error)) is not None:
                raise DataError(f"cannot {what}: {refused}") from None
            if not _may_pass(error):
                raise
            if number == ATTEMPTS:
                raise DataError(
                    f"cannot {what}: {number} attempts failed, the last with: {in_words(error)}. "
                    "Run again when the store answers."
                ) from None
        # apart from each other, so that many readers do not come back at once
        wait(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, LONGEST_WAIT)
    raise AssertionError("unreachable")


def in_words(error: BaseException) -> str:
    """The first line of what a library says, without its end."""
    lines = str(error).strip().splitlines()
    return (lines[0][:LONGEST_TEXT] if lines else type(error).__name__).rstrip(".")


def _behind(error: Exception) -> Exception:
    """What made a library say that there is no such file: the web's says so of a server that is down, too."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or not isinstance(cause, Exception):
        return error
    status = _status(cause)
    gone = isinstance(cause, FileNotFoundError) or status in (404, 410)
    return cause if not gone and (status is not None or _may_pass(cause)) else error


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error; aiohttp and the stores' libraries call it by several names."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    if isinstance(response, dict):
        # botocore's
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    for owner, name in ((error, "status"), (error, "code"), (response, "status_code")):
        value = getattr(owner, name, None)
        if isinstance(value, int | str) and str(value).isdecimal():
            return int(value)
    return None


def _refusal(error: BaseException) -> str | None:
    """Why asking again is of no use; None where it may be."""
    if type(error).__name__ in _NO_KEYS:
        return (
            "there are no credentials for it. Give them as the store's own tools take them (for S3 the "
            "variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `aws configure`; for a public bucket "
            "set FSSPEC_S3_ANON=true)."
        )
    status = _status(error)
    if isinstance(error, PermissionError) or status in (401, 403):
        return f"it is not allowed ({in_words(error)}). Check the credentials and the rights on the bucket."
    if isinstance(error, _FOR_GOOD) or (status is not None and 300 <= status < 500 and status not in _LATER):
        return f"{in_words(error)}."
    if type(error).__name__ in ("NonHttpUrlRedirectClientError", "InvalidURL", "TooManyRedirects"):
        return f"the server sends on to another place that is not read ({type(error).__name__})."
    return None


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, OSError | TimeoutError | EOFError) or (
        type(error).__module__.partition(".")[0] in _OF_LIBRARIES
    )
