"""Digests of files by their bytes, remembered: a file is read again only when its state is another.

    digests_of([Path("photos/1.png"), Path("photos/2.png")])

The state (device, inode, size, and the times of the last change of bytes and of the inode, the second of
which no program sets) is a hint to look again, never an identity: a file that was touched is read, and is the
same. What was read is remembered for all working folders in GANPIPE_CACHE, by default ~/.cache/ganpipe, in
one SQLite file without names. Where that is damaged, locked or cannot be written, files are read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

FILE = "digests.sqlite"
MOST_FILES = 500_000
_ASKED_TOGETHER = 500
_READ_TOGETHER = 64
# a file may change twice within the grain of a file system's clock
_SETTLED_NS = 2_000_000_000
_WAIT_SECONDS = 2.0
_TABLE = "CREATE TABLE IF NOT EXISTS digests (key BLOB PRIMARY KEY, digest BLOB, seal BLOB)"


def digests_of(paths: Sequence[Path | str]) -> list[str | OSError]:
    """Returns for each file the sha256 of its bytes, 64 hex characters, or why it cannot be read."""
    keys = [_key_of(path) for path in paths]
    with _Remembered() as remembered:
        found = remembered.find([key for key in keys if isinstance(key, bytes)])
        unknown = [i for i, key in enumerate(keys) if isinstance(key, bytes) and key not in found]
        digests: list[str | OSError] = [found.get(key, "") if isinstance(key, bytes) else key for key in keys]
        new: dict[bytes, str] = {}
        # most of the time goes into waiting for the disk and into hashing, which lets other threads run
        step = max(1, min(_READ_TOGETHER, len(unknown) // _READ_TOGETHER))
        parts = [unknown[at : at + step] for at in range(0, len(unknown), step)]
        with ThreadPoolExecutor() as pool:
            for part, read in zip(
                parts, pool.map(lambda part: [_read(paths[i]) for i in part], parts), strict=True
            ):
                for i, (digest, settled) in zip(part, read, strict=True):
                    digests[i] = digest
                    if settled and isinstance(digest, str):
                        new[settled] = digest
        remembered.add(new)
    return digests


def _key_of(path: Path | str) -> bytes | OSError:
    try:
        return _key(os.stat(path))  # noqa: PTH116 (in half the time)
    except OSError as error:
        return error


def _key(status: os.stat_result) -> bytes:
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return hashlib.blake2b(repr(state).encode(), digest_size=16).digest()


def _read(path: Path | str) -> tuple[str | OSError, bytes | None]:
    """The digest, and the key to remember it by, if the file did not change meanwhile or just before."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (as above)
            before = os.fstat(file.fileno())
            while block := file.read(1 << 20):
                digest.update(block)
            after = os.fstat(file.fileno())
    except OSError as error:
        return error, None
    old = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > _SETTLED_NS
    key = _key(before)
    return digest.hexdigest(), key if old and key == _key(after) else None


class _Remembered:
    """The file of digests. What is wrong with it is passed over: then nothing is remembered."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.connection: sqlite3.Connection | None = None

    def __enter__(self) -> _Remembered:
        # no home, or a folder that cannot be made
        with contextlib.suppress(OSError, RuntimeError):
            folder = Path(os.environ.get("GANPIPE_CACHE") or "~/.cache/ganpipe").expanduser()
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / FILE
            with self._tolerant():
                connection = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
                self.connection = connection
                # a power cut may cost the file, which is made anew
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute(_TABLE)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """Returns the digests of those that are remembered."""
        found: dict[bytes, str] = {}
        with self._tolerant() as connection:
            for at in range(0, len(keys), _ASKED_TOGETHER):
                if connection is None:
                    break
                asked = keys[at : at + _ASKED_TOGETHER]
                marks = ",".join("?" * len(asked))
                query = f"SELECT key, digest, seal FROM digests WHERE key IN ({marks})"
                for key, digest, seal in connection.execute(query, asked):
                    if isinstance(digest, bytes) and seal == _seal(key, digest):
                        found[key] = digest.hex()
        return found

    def add(self, new: Mapping[bytes, str]) -> None:
        """Remembers digests; of more than `MOST_FILES` the oldest go."""
        values = [(key, bytes.fromhex(digest)) for key, digest in new.items()]
        with self._tolerant() as connection:
            if connection and values:
                connection.execute("BEGIN IMMEDIATE")
                rows = ((key, digest, _seal(key, digest)) for key, digest in values)
                connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", rows)
                oldest = "DELETE FROM digests WHERE rowid <= (SELECT max(rowid) FROM digests) - ?"
                connection.execute(oldest, (MOST_FILES,))
                connection.execute("COMMIT")

    @contextmanager
    def _tolerant(self) -> Iterator[sqlite3.Connection | None]:
        try:
            yield self.connection
        except sqlite3.OperationalError:
            # locked by another process, or on a disk that is full or may not be written to
            self._close()
        except sqlite3.Error:
            self._close()
            if self.path:
                with contextlib.suppress(OSError):
                    self.path.unlink()

    def _close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


def _seal(key: bytes, digest: bytes) -> bytes:
    """Tells a row that was damaged."""
    return hashlib.blake2b(key + digest, digest_size=8).digest()
