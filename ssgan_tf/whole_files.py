"""Files that are there whole or not at all, also after a kill or a power cut.

write_whole(path, "text")

with replacing(path) as partial:
    save_somehow(partial)
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".partial"


@contextmanager
def replacing(path: Path, *, durable: bool = True, shared: bool = False) -> Iterator[Path]:
    """Yields a sibling to write; when the block ends well it takes the place of `path` by one rename.

    Args:
        path: the file.
        durable: wait until its bytes are on the disk before the rename; False where a power cut may lose
            them, or where the whole folder is synchronised later.

    Raises:
        OSError: the sibling cannot be written; `path` is as it was and the sibling gone.
    """
    partial = partial_of(path)
    if shared:
        partial = partial.with_name(f"{partial.name}-{secrets.token_hex(8)}")
    try:
        yield partial
        if durable:
            sync(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def partial_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(path.name + SUFFIX)


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file's whole content, text in UTF-8."""
    with replacing(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


def sync(path: Path) -> None:
    """Waits until a file's bytes, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Waits until every file and folder below `folder`, and itself, are on the disk."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() or path.is_file():
            sync(path)
    sync(folder)
