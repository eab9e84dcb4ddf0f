"""The file systems of URLs: one a process and scheme, made at first use, with the user's own configuration.

Lists are not remembered: each is asked for anew. Trying again is left to `patience` alone.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

from pipeline.remote import patience
from pipeline.remote.urls import Url

READERS = 16
"""Files that are read at once."""
_lock = threading.Lock()


def is_web(url: Url) -> bool:
    """Whether it is of a plain web server."""
    return url.scheme in ("http", "https")


def inner(url: Url) -> str:
    """What its file system calls it."""
    return str(url) if is_web(url) else url.path


def system_of(scheme: str) -> Any:
    """The file system of a scheme."""
    with _lock:
        return _made(scheme, os.getpid())


@functools.lru_cache(maxsize=8)
def _made(scheme: str, process: int) -> Any:
    """The file system of a scheme in a process, with what the user's fsspec configuration says of it."""
    import fsspec
    from fsspec.config import conf

    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        patient = {
            "connect_timeout": 10,
            "read_timeout": patience.SECONDS,
            "max_pool_connections": 2 * READERS,
            # here is one place that tries again: three would multiply
            "retries": {"total_max_attempts": 1},
        }
        options["config_kwargs"] = {**patient, **conf.get("s3", {}).get("config_kwargs", {})}
    elif scheme in ("http", "https"):
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=patience.SECONDS)
        options["client_kwargs"] = {"timeout": limit, **conf.get(scheme, {}).get("client_kwargs", {})}
    system = fsspec.filesystem(scheme, **options)
    system.retries = 1
    return system


def timed(system: Any, method: str, *args: Any, limit: float, **kwargs: Any) -> Any:
    """Calls a method of a file system; one that is asynchronous is given up after `limit` seconds."""
    if system.async_impl:
        from fsspec.asyn import sync

        return sync(system.loop, getattr(system, f"_{method}"), *args, timeout=limit, **kwargs)
    return getattr(system, method)(*args, **kwargs)
