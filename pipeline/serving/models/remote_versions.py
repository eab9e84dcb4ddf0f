"""Versions of a model behind a URL, as a listing shows them; and which of them are no whole ones."""

from __future__ import annotations

import re

from pipeline.exported.layout import GRAPH_FILES, MAX_VERSION
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.store import known, list_files
from pipeline.remote.urls import Url

MOST_BYTES, MOST_FILES = 64 << 30, 10_000
"""Of one version."""
NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_SHARD = re.compile(r"variables/variables\.data-([0-9]{5})-of-([0-9]{5})", re.ASCII)
Listing = tuple[RemoteFile, ...]


def versions_behind(url: Url) -> dict[int, Listing]:
    """Finds the versions behind a URL that hold a graph, each with its files; none where there is nothing.

    Raises:
        DataError: the store failed each time, or refuses.
    """
    try:
        files = list_files(url)
    except FileNotFoundError:
        return {}
    by_name: dict[str, list[RemoteFile]] = {}
    for file in files:
        top, slash, below = file.path.partition("/")
        # the marks of folders are none of their files
        if slash and below and not below.endswith("/") and NUMBER.fullmatch(top) and int(top) <= MAX_VERSION:
            by_name.setdefault(top, []).append(RemoteFile(file.url, below, file.size, file.mark))
    # of 1 and 001 the plain one
    named = {
        int(name): name for name in sorted(by_name, key=lambda name: (name != str(int(name)), name))[::-1]
    }
    versions = {number: tuple(known(by_name[name])) for number, name in named.items()}
    return {
        number: files for number, files in versions.items() if any(file.path in GRAPH_FILES for file in files)
    }


def unfit(files: Listing) -> str:
    """Why a version that has settled is not taken; "" where it is."""
    for file in files:
        parts = file.path.split("/")
        if any(part in ("", ".", "..") or "\\" in part or not part.isprintable() for part in parts):
            return f"the name {file.path!r} is none that a file below it can have"
        if file.size is None:
            return f"the server does not say how large {file.path!r} is"
    if len(files) > MOST_FILES or sum(file.size or 0 for file in files) > MOST_BYTES:
        return f"it has more than {MOST_FILES:,} files or {MOST_BYTES >> 30} GiB"
    paths = {file.path for file in files}
    if any(
        "/".join(parts[:n]) in paths
        for path in paths
        for parts in [path.split("/")]
        for n in range(1, len(parts))
    ):
        return "one of its names is that of a file and of a folder"
    shards = [match for path in paths if (match := _SHARD.fullmatch(path))]
    of = {int(match[2]) for match in shards}
    index = "variables/variables.index" in paths
    if index != bool(shards) or (shards and of != {len(shards)}):
        return "its variables are not all there (an upload under way?)"
    return ""
