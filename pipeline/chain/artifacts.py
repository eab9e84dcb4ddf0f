"""Artifacts: folders that are complete or absent, each with a manifest that says what made it.

    with writing(folder, fingerprint) as partial:
        ...                       # write into `partial`
    # now `folder` exists, with manifest.json

A stage writes into a hidden sibling and one rename publishes it. Whatever a killed stage left behind is
removed by the next one, except where the stage can resume from it.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, writing_to

MANIFEST = "manifest.json"
LIBRARIES = (
    "tensorflow",
    "keras",
    "numpy",
    "scipy",
    "scikit-learn",
    "apache-beam",
    "tensorflow-datasets",
    "pillow",
)


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides an artifact's content.

    Attributes:
        stage: the stage's name.
        parameters: its settings, as plain values.
        inputs: name of each input to its digest (an artifact's fingerprint, a source's digest).
        code: file of the two packages to the digest of its text.
        versions: library to version.
    """

    stage: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    code: Mapping[str, str]
    versions: Mapping[str, str]

    @property
    def digest(self) -> str:
        """32 hex characters that differ when any part does."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def differences(self, other: Fingerprint) -> list[str]:
        """Says in words what changed from `self` (what is there) to `other` (what is wanted)."""
        words = []
        for part, title in (
            ("parameters", "setting"),
            ("inputs", "input"),
            ("code", "source code"),
            ("versions", "library"),
        ):
            before, after = _flat(getattr(self, part)), _flat(getattr(other, part))
            for key in sorted(before.keys() | after.keys()):
                old, new = before.get(key, "none"), after.get(key, "none")
                if old != new:
                    values = "" if part in ("code", "inputs") else f": {old} -> {new}"
                    words.append(f"{title} {key} changed{values}")
        return words


def make_fingerprint(stage: str, parameters: Mapping[str, Any], inputs: Mapping[str, str]) -> Fingerprint:
    """Builds the fingerprint of a stage with the code and the libraries of this process."""
    # through JSON, so that a manifest read back compares equal
    plain = json.loads(json.dumps(parameters))
    return Fingerprint(stage, plain, dict(inputs), code_digests(), library_versions())


@functools.cache
def code_digests() -> dict[str, str]:
    """Digest of every source file of both packages."""
    root = Path(__file__).resolve().parents[2]
    files = sorted(path for package in ("pipeline", "ssgan_tf") for path in (root / package).rglob("*.py"))
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}


@functools.cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide the bytes of an artifact."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says: the fingerprint, the files with size and sha256, and a summary."""

    fingerprint: Fingerprint
    files: Mapping[str, Mapping[str, Any]]
    summary: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The fingerprint's digest."""
        return self.fingerprint.digest


def read_manifest(folder: Path) -> Manifest | None:
    """Reads a published artifact's manifest; None where there is no readable one."""
    try:
        document = json.loads((folder / MANIFEST).read_text())
        return Manifest(Fingerprint(**document["fingerprint"]), document["files"], document["summary"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def open_artifact(folder: Path, stage: str, hint: str = "") -> Manifest:
    """Opens a published artifact of a stage, checking that its files have their sizes.

    Raises:
        DataError: it is absent, of another stage, or a file is missing or has another size.
    """
    hint = hint or f"Run `ganpipe {stage}` first."
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"there is no result of {stage} in {str(folder)!r}. {hint}")
    if manifest.fingerprint.stage != stage:
        raise DataError(
            f"{str(folder)!r} is a result of {manifest.fingerprint.stage}, not of {stage}. {hint}"
        )
    if damage := find_damage(folder, manifest):
        raise DataError(f"{damage} Run `ganpipe {stage}` again: it makes the damaged result anew.")
    return manifest


def find_damage(folder: Path, manifest: Manifest) -> str | None:
    """Says which file of an artifact is missing or has another size than recorded, or None."""
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            return f"{str(path)!r} is missing."
        if path.stat().st_size != entry["bytes"]:
            size = path.stat().st_size
            return f"{str(path)!r} is damaged: it has {size} bytes, {entry['bytes']} were written."
    return None


@contextmanager
def writing(
    folder: Path,
    fingerprint: Fingerprint,
    *,
    resumable: bool = False,
    summary: dict[str, Any] | None = None,
) -> Iterator[Path]:
    """Yields a hidden sibling of `folder` to write into, and publishes it on success.

    Args:
        folder: the artifact's place; what is there is replaced by the final rename.
        fingerprint: goes into the manifest; a resumable stage finds its own earlier folder by it.
        resumable: keep what a killed or failed stage has written, for the same fingerprint.
        summary: filled by the caller within the block; goes into the manifest.

    Raises:
        DataError: the place cannot be written to, or another run is writing there.
    """
    partial = folder.with_name(f".{folder.name}.partial-{fingerprint.digest[:16]}")
    with writing_to(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            clean(folder, keep=partial if resumable else None)
            partial.mkdir(exist_ok=resumable)
            try:
                yield partial
                _write_manifest(partial, fingerprint, summary or {})
            except BaseException:
                if not resumable:
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            _publish(partial, folder)


def clean(folder: Path, keep: Path | None = None) -> None:
    """Removes what killed runs left beside an artifact's place, except `keep`."""
    for stray in folder.parent.glob(f".{folder.name}.*"):
        if stray.is_dir() and stray != keep:
            shutil.rmtree(stray)


def _publish(partial: Path, folder: Path) -> None:
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old)
    else:
        partial.rename(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the lock of an artifact's place; it goes with the process, however that ends."""
    path = folder.with_name(f".{folder.name}.lock")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the holder before may have removed the file between our opening and our locking it
            if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            raise DataError(
                f"another ganpipe is writing to {str(folder)!r}; wait for it or choose another --workdir."
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _write_manifest(partial: Path, fingerprint: Fingerprint, summary: Mapping[str, Any]) -> None:
    files = {}
    for path in sorted(partial.rglob("*")):
        if path.is_file():
            files[path.relative_to(partial).as_posix()] = {
                "bytes": path.stat().st_size,
                "sha256": sha256_of(path),
            }
    document = {"fingerprint": asdict(fingerprint), "files": files, "summary": dict(summary)}
    temporary = partial / (MANIFEST + ".partial")
    with temporary.open("w") as file:
        json.dump(document, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(partial / MANIFEST)


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
