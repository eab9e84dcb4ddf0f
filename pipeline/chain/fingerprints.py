"""Fingerprints: everything that decides a result's content: to reuse it, or to explain why not."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.chain.code import code_digests

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

    def in_full(self, stands_for: Mapping[str, Any]) -> Fingerprint:
        """The same, with parameters that have no value replaced by what that stands for."""
        values = self.parameters.items()
        full = {name: stands_for.get(name) if value is None else value for name, value in values}
        return replace(self, parameters=full)

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


def make_fingerprint(
    stage: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, str],
    code: Mapping[str, str] | None = None,
) -> Fingerprint:
    """Builds a stage's fingerprint; the libraries are those of this process, the code the stage's own."""
    # through JSON, so that a manifest read back compares equal
    plain = json.loads(json.dumps(parameters))
    files = code_digests([f"pipeline.stages.{stage}"]) if code is None else dict(code)
    return Fingerprint(stage, plain, dict(inputs), files, library_versions())


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


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
