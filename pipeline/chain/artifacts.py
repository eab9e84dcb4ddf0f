"""Artifacts: folders that are complete or absent, each with a manifest that says what made it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.chain.fingerprints import Fingerprint
from pipeline.chain.places import MANIFEST, recover
from pipeline.errors import DataError
from ssgan_tf.whole_files import write_whole

VERIFIED = "verified.json"


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says.

    Attributes:
        fingerprint: what made it.
        files: name of each file to its "bytes" and "sha256".
        summary: what the stage returned.
        states: name of each file to its size, times and inode when its sha256 was taken.
        read: name of each artifact that it was made from to the contents of that.
    """

    fingerprint: Fingerprint
    files: Mapping[str, Mapping[str, Any]]
    summary: Mapping[str, Any]
    states: Mapping[str, list[int]] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The fingerprint's digest."""
        return self.fingerprint.digest

    @property
    def contents(self) -> str:
        """Hex digest of all files: what was made twice from the same need not be equal bit by bit."""
        return seal_of({name: entry["sha256"] for name, entry in self.files.items()})


def read_manifest(folder: Path) -> Manifest | None:
    """Reads a published artifact's manifest; None where there is none, or not as it was written."""
    recover(folder)
    try:
        document = json.loads((folder / MANIFEST).read_text())
        if document.pop("seal") != seal_of(document):
            return None
        return Manifest(
            Fingerprint(**document["fingerprint"]),
            document["files"],
            document["summary"],
            document.get("states", {}),
            document.get("read", {}),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def seal_of(document: Mapping[str, Any]) -> str:
    """Hex digest of what a manifest says, as JSON gives it back: a manifest vouches for itself by it."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def open_artifact(folder: Path, stage: str, hint: str = "") -> Manifest:
    """Opens a published artifact of a stage, checking that its files are those that were written.

    Raises:
        DataError: it is absent, of another stage, or a file is missing or not as it was written.
    """
    hint = hint or f"Run `ganpipe {stage}` first."
    manifest = read_manifest(folder)
    if manifest is None:
        if (folder / MANIFEST).exists():
            raise DataError(f"{str(folder / MANIFEST)!r} is damaged. Run `ganpipe {stage}` again.")
        raise DataError(f"there is no result of {stage} in {str(folder)!r}. {hint}")
    if manifest.fingerprint.stage != stage:
        raise DataError(
            f"{str(folder)!r} is a result of {manifest.fingerprint.stage}, not of {stage}. {hint}"
        )
    if damage := find_damage(folder, manifest):
        raise DataError(f"{damage} Run `ganpipe {stage}` again: it makes the damaged result anew.")
    return manifest


def find_damage(folder: Path, manifest: Manifest, below: str = "") -> str | None:
    """Says which file of an artifact is missing or not as it was written, or None.

    A file's bytes are read again only where its size, times or inode are not those of the last time.

    Args:
        folder: the artifact's.
        manifest: its manifest.
        below: what the names of the files that are looked at begin with; "": all.
    """
    verified = _verified(folder)
    seen, new = dict(manifest.states) | verified, {}
    for name, entry in manifest.files.items():
        if not name.startswith(below):
            continue
        path = folder / name
        if not path.is_file():
            return f"{str(path)!r} is missing."
        state = file_state(path)
        if state[0] != entry["bytes"]:
            return f"{str(path)!r} is damaged: it has {state[0]} bytes, {entry['bytes']} were written."
        if seen.get(name) == state:
            continue
        if sha256_of(path) != entry["sha256"]:
            return f"{str(path)!r} is damaged: its checksum is not that of what was written."
        new[name] = state
    if new:
        # a folder that may not be written to is looked at in full each time
        with contextlib.suppress(OSError):
            write_whole(folder / VERIFIED, json.dumps(verified | new))
    return None


def _verified(folder: Path) -> dict[str, list[int]]:
    try:
        document = json.loads((folder / VERIFIED).read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def file_state(path: Path) -> list[int]:
    """Size, times in nanoseconds and inode: what changes when a file is written anew.

    Of the two times the first is the file's, which anyone can set, the second the file system's own.
    """
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]


def check_lineage(inputs: Mapping[str, tuple[Path, Fingerprint]]) -> None:
    """Checks that artifacts which are used together come from each other, as they were made last.

    Args:
        inputs: name ("data", "model", ...) to an artifact's folder and fingerprint.

    Raises:
        DataError: one was made from another artifact of a name than the one given.
    """
    for name, (folder, fingerprint) in inputs.items():
        manifest = read_manifest(folder)
        for source, digest in fingerprint.inputs.items():
            if source not in inputs:
                continue
            other, given = inputs[source]
            if given.digest != digest or (manifest and made_anew(manifest, source, other)):
                raise DataError(
                    f"the {name} in {str(folder)!r} was not made from the {source} that "
                    f"{str(other)!r} now holds. Run `ganpipe {fingerprint.stage}` to make it "
                    f"anew from that, or bring back the {source} that it was made from."
                )


def made_anew(manifest: Manifest, source: str, folder: Path) -> bool:
    """Tells whether what an artifact was made from has been made again since, with other bytes."""
    before, now = manifest.read.get(source), read_manifest(folder)
    return bool(before and now and now.contents != before)


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
