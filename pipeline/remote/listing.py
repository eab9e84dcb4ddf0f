"""Lists of what is behind a URL: names as the file system calls them, with what it says of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pipeline.remote import patience
from pipeline.remote.patience import with_retries
from pipeline.remote.systems import inner, system_of, timed
from pipeline.remote.urls import Url

MOST_FILES = 5_000_000
DEEPEST = 32
"""Parts of a name on a web server, whose pages may lead in a circle."""
LIST_SECONDS = 3600.0


def names_below(url: Url) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields name and description of each file, to all depths, in no order.

    Raises:
        FileNotFoundError: there is no such bucket or page.
        DataError: it may not be listed, or the store failed each time.
    """
    return _LISTS.get(url.scheme, _listed)(url)


def _pages_of_s3(url: Url) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Lists page by page: each page of a thousand is tried again by itself."""
    system, bucket, _, prefix = system_of(url.scheme), *url.path.partition("/")
    asked = {"Bucket": bucket, "Prefix": prefix + "/" if prefix else ""}
    while True:
        page = with_retries(
            f"list {url}",
            lambda: timed(system, "call_s3", "list_objects_v2", limit=patience.SECONDS, **asked),
        )
        for one in page.get("Contents", ()):
            yield f"{bucket}/{one['Key']}", one
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _pages_of_web(url: Url) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Follows the links of pages that lie below a folder's; each page is tried again by itself.

    A link that leads to no page is passed over, as on a web page.
    """
    system, root = system_of(url.scheme), f"{url}/"
    waiting, seen = [root], {root}
    while waiting:
        page = waiting.pop()
        try:
            links = with_retries(f"list {page}", partial(timed, system, "ls", page, limit=60.0, detail=False))
        except FileNotFoundError:
            if page == root:
                raise
            continue
        for link in links:
            names = link[len(root) :].split("/")
            # columns of an index sort themselves by links with a query
            inside = link.startswith(root) and not any(sign in link for sign in "?#") and ".." not in names
            if not inside or link in seen or len(names) > DEEPEST or len(seen) > MOST_FILES:
                continue
            seen.add(link)
            if link.endswith("/"):
                waiting.append(link)
            else:
                yield link, {"type": "file"}


def _listed(url: Url) -> Iterator[tuple[str, Mapping[str, Any]]]:
    system, root = system_of(url.scheme), inner(url)

    def once() -> Mapping[str, Mapping[str, Any]]:
        system.invalidate_cache()
        found: Mapping[str, Mapping[str, Any]] = timed(system, "find", root, limit=LIST_SECONDS, detail=True)
        return found

    yield from with_retries(f"list {url}", once).items()


_LISTS = {"s3": _pages_of_s3, "http": _pages_of_web, "https": _pages_of_web}
