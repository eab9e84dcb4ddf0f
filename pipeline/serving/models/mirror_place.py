"""Where a model folder is mirrored: what lies there under a number is a whole version.

    CACHE/NAME-DIGEST/NAME/3/        a version
    CACHE/NAME-DIGEST/3.json         what it was made from: names, sizes and marks of its files
    CACHE/NAME-DIGEST/lock           held by the server that mirrors

A version is copied under a name that is no number, and renamed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipeline.errors import DataError, UsageError
from pipeline.remote.parallel import in_parallel
from pipeline.remote.patience import Changed
from pipeline.remote.remote_file import RemoteFile
from pipeline.remote.store import read
from pipeline.remote.urls import Url
from pipeline.serving.models.remote_versions import NUMBER, Listing
from ssgan_tf.whole_files import sync, sync_tree, write_whole

BLOCK = 16 << 20
LOCK = "lock"
_PARTIAL, _GOING = ".partial", ".going"


class MirrorPlace:
    """The place of one URL in a cache.

    Attributes:
        root: of this URL alone.
        folder: holds the versions, and is called as the folder behind the URL is.
    """

    def __init__(self, url: Url, cache: Path) -> None:
        """Prepares; nothing is made before `hold`."""
        self.url = url
        self.root = cache / f"{_plain(url.name)}-{hashlib.sha256(str(url).encode()).hexdigest()[:12]}"
        self.folder = self.root / _plain(url.name)
        self._held: IO[str] | None = None

    def hold(self) -> None:
        """Makes the folder and keeps others out; removes what a killed server left.

        Raises:
            UsageError: another server mirrors the same here.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._held = (self.root / LOCK).open("a")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._held.close()
            self._held = None
            raise UsageError(
                f"another server mirrors '{self.url}' into {str(self.root)!r}; give this another --cache."
            ) from None
        self._sweep()

    def release(self) -> None:
        """Lets others in."""
        if self._held:
            self._held.close()

    def copy(
        self, number: int, files: Listing, *, still: Callable[[], bool], stopped: Callable[[], bool]
    ) -> bool:
        """Copies a version, whole or not at all.

        Args:
            number: of the version.
            files: of it; their names were looked at.
            still: whether the same files are there behind the URL.
            stopped: whether to give up.

        Returns:
            Whether it is here: a file may have changed or gone meanwhile.

        Raises:
            DataError: there is no space, or the store failed each time.
        """
        partial = self.root / f".{number}{_PARTIAL}"
        total = sum(file.size or 0 for file in files)
        if shutil.disk_usage(self.root).free < total:
            raise DataError(
                f"version {number} of {self.url} has {total >> 20:,} MiB: more than {str(self.root)!r} has."
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
                in_parallel(files, lambda file: _fetch(file, partial, stopped), weight=lambda file: BLOCK)
            ):
                return False
            if not still():
                return False
            sync_tree(partial)
            self._publish(number, partial, files)
        except (FileNotFoundError, Changed):
            # a file went, or became another, while it was copied: the next look finds others
            return False
        finally:
            _remove(partial)
        return True

    def _publish(self, number: int, partial: Path, files: Listing) -> None:
        target = self.folder / str(number)
        self.drop(number)
        partial.rename(target)
        sync(self.folder)
        # after the version: one without this is taken for nothing, and copied again
        write_whole(self.root / f"{number}.json", json.dumps(_as_listed(files, self.url)))

    def drop(self, number: int) -> None:
        """Takes the number away first: a server must not find a version that is half gone."""
        (self.root / f"{number}.json").unlink(missing_ok=True)
        version, going = self.folder / str(number), self.root / f".{number}{_GOING}"
        if version.exists() or version.is_symlink():
            _remove(going)
            version.replace(going)
            _remove(going)

    def listing(self, number: int) -> Listing | None:
        """What the version that is here was made from; None where it is not here or not as it was written."""
        version = self.folder / str(number)
        try:
            listed = json.loads((self.root / f"{number}.json").read_text(encoding="utf-8"))
            files = tuple(
                RemoteFile(self.url / f"{name}", path, size, mark) for name, path, size, mark in listed
            )
            whole = all((version / file.path).stat().st_size == file.size for file in files)
        except (OSError, ValueError, TypeError):
            return None
        return files if whole else None

    def here(self) -> list[int]:
        """The numbers of the versions that are here, whole."""
        return [
            int(path.name)
            for path in self.folder.iterdir()
            if NUMBER.fullmatch(path.name) and self.listing(int(path.name)) is not None
        ]

    def _sweep(self) -> None:
        """Removes what a killed server left: copies under way, and versions that nothing is known of."""
        for path in self.root.glob(".*"):
            if path.name.endswith((_PARTIAL, _GOING)):
                _remove(path)
        for path in self.folder.iterdir():
            if NUMBER.fullmatch(path.name) and self.listing(int(path.name)) is None:
                with suppress(OSError):
                    self.drop(int(path.name))


def _fetch(file: RemoteFile, partial: Path, stopped: Callable[[], bool]) -> bool:
    assert file.size is not None
    with (partial / file.path).open("wb") as target:
        for start in range(0, file.size, BLOCK):
            if stopped():
                return False
            target.write(read(file, start, start + BLOCK))
    return True


def _as_listed(files: Listing, url: Url) -> list[list[object]]:
    above = len(url.path) + 1
    return [[file.url.path[above:], file.path, file.size, file.mark] for file in files]


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _plain(name: str) -> str:
    """A name as a folder's: a host or bucket may hold a colon."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".") or "model"
