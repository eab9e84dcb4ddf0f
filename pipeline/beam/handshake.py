"""What the workers of an engine must share with the driver, checked by the first task on each of them.

    handshake = offer(scratch, probe=probe)     # by the driver
    handshake.meet()                            # by every worker process, once

A worker that does not see the folder of the pass, has another release of this package or other libraries, or
reads another data set would spoil the result, or lose an hour. It raises `Stranger`, whose text the driver
finds in whatever the engine makes of it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ssgan_tf.errors import GanpipeError

LIBRARIES = ("apache-beam", "tensorflow", "numpy", "pillow")
"""Those of other versions may give other pixels or other PNG files."""

_PACKAGES = Path(__file__).resolve().parents[2]
_SAID = re.compile(r"\[\[ganpipe: (.+?)\]\]", re.DOTALL)
_met: set[str] = set()

Probe = Callable[[], str]


class Stranger(Exception):
    """A worker lacks something that it must share; the text stands between marks that `said_in` finds."""

    def __init__(self, text: str) -> None:
        super().__init__(f"[[ganpipe: {text}]]")


def said_in(report: str) -> str | None:
    """Returns what a `Stranger` said, out of an engine's report of a failure; None if none spoke."""
    found = _SAID.search(report)
    return found and " ".join(found[1].split())


@functools.cache
def release() -> dict[str, str]:
    """Returns what decides a worker's bytes: a digest of this package's source, versions of libraries."""
    digest = hashlib.blake2b(digest_size=8)
    for package in ("pipeline", "ssgan_tf"):
        for path in sorted((_PACKAGES / package).rglob("*.py")):
            digest.update(f"{path.relative_to(_PACKAGES).as_posix()}\0".encode() + path.read_bytes())
    found = {"this package (digest of its source)": digest.hexdigest()}
    for name in LIBRARIES:
        # tensorflow may be installed under another name
        for distribution in (name, f"{name}-cpu"):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found.setdefault(name, importlib.metadata.version(distribution))
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    return found


@dataclass(frozen=True)
class Handshake:
    """What the driver has; travels to the workers with the task.

    Attributes:
        scratch: folder of the pass.
        token: content of the file in it that only this driver wrote.
        has: what `release` says there.
        probe: reads a little of what the workers will read; picklable.
        found: what it found there.
    """

    scratch: Path
    token: str
    has: Mapping[str, str]
    probe: Probe | None = None
    found: str = ""

    def meet(self) -> None:
        """Compares this process with the driver, the first time that it is asked.

        Raises:
            Stranger: something differs.
        """
        if self.token in _met:
            return
        me = f"worker {socket.gethostname()} (process {os.getpid()})"
        try:
            same = _token_file(self.scratch).read_text() == self.token
        except OSError:
            same = False
        if not same:
            raise Stranger(
                f"the {me} does not see the folder {str(self.scratch)!r} as the driver does. Every worker "
                "needs it at the same path, to read and to write: put the working folder on a disk that all "
                "share."
            )
        mine = release()
        for name, theirs in self.has.items():
            if mine.get(name) != theirs:
                raise Stranger(
                    f"the {me} has {name} {mine.get(name)}, and the driver has {theirs}. Install the same "
                    "release with the same libraries on all of them."
                )
        if self.probe is not None:
            try:
                found = self.probe()
            except (GanpipeError, OSError) as error:
                found = str(error)
            if found != self.found:
                raise Stranger(
                    f"the {me} does not read what the driver reads: {found or 'another content'}. Every "
                    "worker needs the data (and the model) at the same path."
                )
        _met.add(self.token)


def offer(scratch: Path, probe: Probe | None = None) -> Handshake:
    """Writes the driver's token to `scratch` and says what the driver has."""
    token = secrets.token_hex(16)
    _token_file(scratch).write_text(token)
    return Handshake(scratch, token, release(), probe, probe() if probe else "")


def _token_file(scratch: Path) -> Path:
    return scratch / "driver"
