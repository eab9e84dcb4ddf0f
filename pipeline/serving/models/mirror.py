"""A model folder behind a URL, mirrored: each version is on the disk whole, or not at all.

    with Mirror(url, cache, choose=policy.choose) as mirror:
        mirror.first()          # mirror.folder now holds what `ganpipe serve` watches
        mirror.start()

A version is taken when two looks have found the same files in it, and a graph with all of its variables among
them: an upload under way is not. It is copied beside the others under a name that is no number, checked, and
renamed; a last look must still find the same. What a look chooses no more goes, once all that it chooses is
there. A bucket that cannot be reached changes nothing.

    CACHE/NAME-DIGEST/NAME/3/        a version
    CACHE/NAME-DIGEST/3.json         what it was made from: names, sizes and marks of its files
    CACHE/NAME-DIGEST/lock           held by the server that mirrors
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipeline.errors import DataError, UsageError, writing_to
from pipeline.exported.layout import GRAPH_FILES, MAX_VERSION
from pipeline.remote.patience import Changed
from pipeline.remote.store import RemoteFile, in_parallel, known, list_files, read
from pipeline.remote.urls import Url
from ssgan_tf.whole_files import sync, sync_tree, write_whole

MOST_BYTES, MOST_FILES = 64 << 30, 10_000
"""Of one version."""
BLOCK = 16 << 20
SETTLE = 1.0
"""Seconds between the two looks of the start."""
STOP_SECONDS = 5.0
LOCK = "lock"
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_SHARD = re.compile(r"variables/variables\.data-([0-9]{5})-of-([0-9]{5})", re.ASCII)
_GOING = ".going"
Listing = tuple[RemoteFile, ...]


class Mirror:
    """Keeps a folder like the one behind a URL.

    Attributes:
        folder: holds the versions, and is called as the folder behind the URL is.
    """

    def __init__(
        self,
        url: Url,
        cache: Path,
        *,
        choose: Callable[[Iterable[int]], Sequence[int]],
        poll: float = 10.0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Prepares; nothing is asked for before `first`.

        Args:
            url: the model folder.
            cache: folder for what is mirrored, of this and of others.
            choose: of numbers of versions those that are wanted.
            poll: seconds between looks.
            say: told in one line of what was taken or failed.
        """
        self.url, self._choose, self._poll, self._say = url, choose, poll, say
        self._place = cache / f"{_plain(url.name)}-{hashlib.sha256(str(url).encode()).hexdigest()[:12]}"
        self.folder = self._place / _plain(url.name)
        self._seen: dict[int, Listing] = {}
        self._told: dict[int, str] = {}
        self._stop = threading.Event()
        self._lock: IO[str] | None = None
        self._thread = threading.Thread(target=self._watch, name="mirror", daemon=True)

    def first(self) -> None:
        """Brings what is there now, on the caller's thread.

        Raises:
            UsageError: there is no version behind the URL; or another server mirrors it here.
            DataError: it cannot be read, and nothing of it is here; or the disk cannot be written to.
        """
        with writing_to(self._place):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._hold()
            self._sweep()
        try:
            whole = self.look()
            if not whole:
                self._stop.wait(SETTLE)
                self.look()
        except DataError as error:
            if not self._here():
                raise
            self._say(f"{error} Served is what was mirrored before.")
        if not self._here():
            found = sorted(self._seen)
            about = f" ({self._told[found[-1]]})" if found and found[-1] in self._told else ""
            what = (
                f"no whole version of a model: version {found[-1]} is not{about}" if found else "no version"
            )
            raise UsageError(
                f"'{self.url}' holds {what}. It must hold a folder named by a number, such as 1, with a "
                "SavedModel in it."
            )

    def start(self) -> None:
        """Starts to look for new versions."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it; a copy under way is given up after the block that is read."""
        self._stop.set()
        if self._thread.is_alive():
            # one that waits for a store that does not answer ends with the process
            self._thread.join(STOP_SECONDS)
        if self._lock:
            self._lock.close()

    def _watch(self) -> None:
        said = ""
        while not self._stop.wait(self._poll):
            try:
                self.look()
                said = ""
            except Exception as error:
                # the next look may find it mended; what is here serves on
                if said != str(error):
                    said = str(error)
                    self._say(f"cannot mirror {self.url}, and will try again: {said}")

    def look(self) -> bool:
        """Looks once: takes versions that have settled, and drops those that are not chosen any more.

        Returns:
            Whether all that is chosen is here.

        Raises:
            DataError: the store failed each time, or the disk cannot be written to.
        """
        before, found = self._seen, self._found()
        if not found:
            # as with a local folder that is gone for a moment
            return bool(self._here())
        self._seen = found
        fit = {number: files for number, files in found.items() if not self._unfit(number, files)}
        settled = [n for n, files in fit.items() if files in (before.get(n), self._listing(n))]
        wanted = self._choose(settled)
        taken = 0
        for number in wanted:
            if self._stop.is_set():
                return False
            taken += self._take(number, fit[number])
        if wanted and taken == len(wanted):
            for number in set(self._here()) - set(wanted):
                self._drop(number)
        return bool(wanted) and taken == len(wanted) and set(wanted) == set(self._choose(fit))

    def _found(self) -> dict[int, Listing]:
        """The versions behind the URL that hold a graph, each with its files."""
        try:
            files = list_files(self.url)
        except FileNotFoundError:
            return {}
        by_name: dict[str, list[RemoteFile]] = {}
        for file in files:
            top, slash, below = file.path.partition("/")
            # the marks of folders are none of their files
            if (
                slash
                and below
                and not below.endswith("/")
                and _NUMBER.fullmatch(top)
                and int(top) <= MAX_VERSION
            ):
                by_name.setdefault(top, []).append(RemoteFile(file.url, below, file.size, file.mark))
        # of 1 and 001 the plain one
        named = {
            int(name): name for name in sorted(by_name, key=lambda name: (name != str(int(name)), name))[::-1]
        }
        versions = {number: tuple(known(by_name[name])) for number, name in named.items()}
        return {
            number: files
            for number, files in versions.items()
            if any(file.path in GRAPH_FILES for file in files)
        }

    def _unfit(self, number: int, files: Listing) -> bool:
        if wrong := unfit(files):
            text = f"version {number} of {self.url} is not taken: {wrong}"
            if self._told.get(number) != text:
                self._told[number] = text
                self._say(text)
        return bool(wrong)

    def _take(self, number: int, files: Listing) -> bool:
        if self._listing(number) == files:
            return True
        with writing_to(self._place):
            if not self._copied(number, files):
                return False
        self._told.pop(number, None)
        self._say(f"mirrored version {number} of {self.url}")
        return True

    def _copied(self, number: int, files: Listing) -> bool:
        partial = self._place / f".{number}.partial"
        total = sum(file.size or 0 for file in files)
        if shutil.disk_usage(self._place).free < total:
            raise DataError(
                f"version {number} of {self.url} has {total >> 20:,} MiB: more than {str(self._place)!r} has."
            )
        _remove(partial)
        try:
            for file in files:
                target = partial / file.path
                # the names were looked at before; this is the last line of defence
                if not target.resolve().is_relative_to(partial.resolve()):
                    raise DataError(f"{file.url} leaves its folder.")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch(exist_ok=False)
            if not all(
                in_parallel(files, lambda file: self._fetch(file, partial), weight=lambda file: BLOCK)
            ):
                return False
            if self._found().get(number) != files:
                return False
            sync_tree(partial)
            self._publish(number, partial, files)
        except (FileNotFoundError, Changed):
            # a file went, or became another, while it was copied: the next look finds others
            return False
        finally:
            _remove(partial)
        return True

    def _fetch(self, file: RemoteFile, partial: Path) -> bool:
        assert file.size is not None
        with (partial / file.path).open("wb") as target:
            for start in range(0, file.size, BLOCK):
                if self._stop.is_set():
                    return False
                target.write(read(file, start, start + BLOCK))
        return True

    def _publish(self, number: int, partial: Path, files: Listing) -> None:
        target = self.folder / str(number)
        self._drop(number)
        partial.rename(target)
        sync(self.folder)
        # after the version: one without this is taken for nothing, and copied again
        write_whole(self._place / f"{number}.json", json.dumps(_as_listed(files, self.url)))

    def _drop(self, number: int) -> None:
        """Takes the number away first: a server must not find a version that is half gone."""
        (self._place / f"{number}.json").unlink(missing_ok=True)
        version, going = self.folder / str(number), self._place / f".{number}{_GOING}"
        if version.exists() or version.is_symlink():
            _remove(going)
            version.replace(going)
            _remove(going)

    def _listing(self, number: int) -> Listing | None:
        """What the version that is here was made from; None where it is not here or not as it was written."""
        version = self.folder / str(number)
        try:
            listed = json.loads((self._place / f"{number}.json").read_text(encoding="utf-8"))
            files = tuple(
                RemoteFile(self.url / f"{name}", path, size, mark) for name, path, size, mark in listed
            )
            whole = all((version / file.path).stat().st_size == file.size for file in files)
        except (OSError, ValueError, TypeError):
            return None
        return files if whole else None

    def _here(self) -> list[int]:
        return [
            int(path.name)
            for path in self.folder.iterdir()
            if _NUMBER.fullmatch(path.name) and self._listing(int(path.name)) is not None
        ]

    def _hold(self) -> None:
        self._lock = (self._place / LOCK).open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise UsageError(
                f"another server mirrors '{self.url}' into {str(self._place)!r}; give this another --cache."
            ) from None

    def _sweep(self) -> None:
        """Removes what a killed server left: copies under way, and versions that nothing is known of."""
        for path in self._place.glob(".*"):
            if path.name.endswith((".partial", _GOING)):
                _remove(path)
        for path in self.folder.iterdir():
            if _NUMBER.fullmatch(path.name) and self._listing(int(path.name)) is None:
                with suppress(OSError):
                    self._drop(int(path.name))


def _as_listed(files: Listing, url: Url) -> list[list[object]]:
    above = len(url.path) + 1
    return [[file.url.path[above:], file.path, file.size, file.mark] for file in files]


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


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _plain(name: str) -> str:
    """A name as a folder's: a host or bucket may hold a colon."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".") or "model"
