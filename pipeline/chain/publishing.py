"""Publishing artifacts: written beside their place, and there whole or not at all.

    with writing(folder, fingerprint) as partial:
        ...                       # write into `partial`
    # now `folder` exists, with manifest.json

A stage writes into a hidden sibling and one rename publishes it, after all of it is on the disk. Whatever
a killed stage left behind is removed by the next one, except what training can be continued from.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.chain.artifacts import file_state, seal_of, sha256_of
from pipeline.chain.fingerprints import Fingerprint
from pipeline.chain.places import MANIFEST, lock_of, locked, recover_locked, replaced, strays
from pipeline.errors import DataError, writing_to
from ssgan_tf.whole_files import SUFFIX, sync, sync_tree, write_whole

UNFINISHED = "unfinished.json"


@contextmanager
def writing(
    folder: Path,
    fingerprint: Fingerprint,
    *,
    resumes_from: str | None = None,
    summary: dict[str, Any] | None = None,
    read: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Yields a hidden sibling of `folder` to write into, and publishes it on success.

    Args:
        folder: the artifact's place; what is there is replaced by the final rename.
        fingerprint: goes into the manifest; a resumable stage finds its own earlier folder by it.
        resumes_from: of a resumable stage, what of a killed run is worth keeping: such folders stay, that
            of the same fingerprint is continued.
        summary: filled by the caller within the block; goes into the manifest.
        read: name of each artifact that this one is made from to the contents of that, for the manifest.

    Raises:
        DataError: the place cannot be written to, or another run is writing there.
    """
    partial = _partial(folder, fingerprint)
    with writing_to(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            recover_locked(folder)
            _remove_strays(folder, resumes_from)
            partial.mkdir(exist_ok=resumes_from is not None)
            try:
                if resumes_from is not None:
                    _remove_half_written(partial)
                    write_whole(partial / UNFINISHED, json.dumps(asdict(fingerprint), indent=1))
                yield partial
                (partial / UNFINISHED).unlink(missing_ok=True)
                _write_manifest(partial, fingerprint, summary or {}, read or {})
            except BaseException:
                if resumes_from is None:
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            _publish(partial, folder)


def tidy(folder: Path, fingerprint: Fingerprint, resumes_from: str | None = None) -> None:
    """Removes what runs that were killed left beside a result that is reused, where that can be done.

    Args:
        folder: the artifact's place.
        fingerprint: of the artifact: what was begun to make it anew is of no use.
        resumes_from: as for `writing`; what was begun with other settings stays.
    """
    if not strays(folder) and not lock_of(folder).exists():
        return
    # another run may be writing there, and a result may be used where nothing can be written
    with contextlib.suppress(OSError, DataError), locked(folder):
        shutil.rmtree(_partial(folder, fingerprint), ignore_errors=True)
        _remove_strays(folder, resumes_from)


@dataclass(frozen=True)
class Leftover:
    """What a run that did not end left beside an artifact's place.

    Attributes:
        place: the artifact's.
        path: the hidden folder.
        fingerprint: of what it was to become, where it can be continued; else None.
        bytes: all of its files together.
    """

    place: Path
    path: Path
    fingerprint: Fingerprint | None
    bytes: int


def leftovers(folder: Path) -> list[Leftover]:
    """Lists what killed runs left beside an artifact's place."""
    found = []
    for stray in strays(folder):
        try:
            fingerprint = Fingerprint(**json.loads((stray / UNFINISHED).read_text()))
        except (OSError, ValueError, TypeError):
            fingerprint = None
        size = sum(path.stat().st_size for path in stray.rglob("*") if path.is_file())
        found.append(Leftover(folder, stray, fingerprint, size))
    return found


def remove_leftover(leftover: Leftover) -> None:
    """Removes what a run left.

    Raises:
        DataError: a run is writing there now.
    """
    with writing_to(leftover.place), locked(leftover.place):
        shutil.rmtree(leftover.path)


def _partial(folder: Path, fingerprint: Fingerprint) -> Path:
    return folder.with_name(f".{folder.name}.partial-{fingerprint.digest[:16]}")


def _remove_strays(folder: Path, resumes_from: str | None) -> None:
    # what was replaced may be half removed, and its successor is there
    for stray in strays(folder):
        if stray == replaced(folder) or resumes_from is None or not (stray / resumes_from).exists():
            shutil.rmtree(stray)


def _remove_half_written(partial: Path) -> None:
    # the manifest of a run that was killed while publishing must not be listed in that of this one
    (partial / MANIFEST).unlink(missing_ok=True)
    for path in partial.rglob(f"*{SUFFIX}"):
        if path.is_file():
            path.unlink()


def _publish(partial: Path, folder: Path) -> None:
    old = replaced(folder)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    # the name must not reach the disk before what it names, nor the old one go before the new one is there
    sync(folder.parent)
    if old.exists():
        shutil.rmtree(old)


def _write_manifest(
    partial: Path, fingerprint: Fingerprint, summary: Mapping[str, Any], read: Mapping[str, str]
) -> None:
    files, states = {}, {}
    for path in sorted(partial.rglob("*")):
        if path.is_file():
            name = path.relative_to(partial).as_posix()
            files[name] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
            states[name] = file_state(path)
    document: dict[str, Any] = {
        "fingerprint": asdict(fingerprint),
        "files": files,
        "summary": dict(summary),
        "states": states,
        "read": dict(read),
    }
    document = json.loads(json.dumps(document))
    document["seal"] = seal_of(document)
    sync_tree(partial)
    # not sorted: a result that is reused is told in the order of one that was made
    write_whole(partial / MANIFEST, json.dumps(document, indent=1))
    sync(partial)
