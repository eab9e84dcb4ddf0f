"""Which versions of which models are served: found, loaded, swapped and let go, while requests go on.

A thread looks at the model folders. A new version is loaded beside the old one, warmed up, and only then
put in its place; the old one closes when its last request is answered. A version that fails to load is
tried again, later each time, and at once when its files change; meanwhile the old one serves on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.exported.layout import GRAPH_FILES, find_versions
from pipeline.serving.models.model import Model
from pipeline.serving.models.repeated_look import RepeatedLook
from pipeline.serving.settings import VersionPolicy
from pipeline.serving.status import CODES, ServingError, bare, invalid, not_found

START, LOADING, AVAILABLE, UNLOADING, END = "START", "LOADING", "AVAILABLE", "UNLOADING", "END"
_REMEMBERED = 16
Identity = tuple[tuple[str, int, int, int], ...]


@dataclass
class Version:
    """One version's state, as `GET /v1/models/NAME` shows it.

    Attributes:
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        error: why the last load failed, None if it did not.
        model: the loaded model, where AVAILABLE.
        files: identity of the files that were last loaded or tried.
        attempts: failed loads of these files.
        retry_at: monotonic time of the next attempt.
    """

    number: int
    state: str = START
    error: ServingError | None = None
    model: Model | None = None
    files: Identity = ()
    attempts: int = 0
    retry_at: float = 0.0


class Manager:
    """The served models. `acquire` and `status` may be called from any thread."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        *,
        policy: VersionPolicy,
        labels: Mapping[str, int],
        load: Callable[[str, int, Path], Model],
        poll: float = 0.5,
        retries: int = 5,
        retry_wait: float = 1.0,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares; nothing is loaded before `look`.

        Args:
            folders: model name to model folder.
            policy: which of the versions found are served.
            labels: label to version, the same for every model.
            load: loads and warms up one version; what it raises is that version's error.
            poll: seconds between looks at the folders.
            retries: attempts after the first failed one.
            retry_wait: seconds before the first of them; doubles each time.
            say: told in one line of what was loaded, failed or let go.
            clock: seconds, monotonic.
        """
        self.folders = dict(folders)
        self.policy, self.labels = policy, dict(labels)
        self._load, self._say, self._clock = load, say, clock
        self._retries, self._retry_wait = retries, retry_wait
        self._lock = threading.Lock()
        self._versions: dict[str, dict[int, Version]] = {name: {} for name in folders}
        self._looks = RepeatedLook(
            lambda: self.look(),
            name="versions",
            seconds=poll,
            say=say,
            # what is loaded serves on
            in_words=lambda error: f"cannot look for versions, and will try again: {error!r}",
        )

    def load_first(self) -> None:
        """Loads what is there, on the caller's thread.

        Raises:
            DataError: a model has no version that loads; with the reason of the latest.
        """
        self.look()
        for name, table in self._versions.items():
            if not any(version.model for version in table.values()):
                newest = max(table.values(), key=lambda version: version.number, default=None)
                reason = newest.error.message if newest and newest.error else "the policy chooses none"
                number = f" version {newest.number}" if newest else ""
                raise DataError(f"model {name!r}{number} cannot be served: {reason.rstrip('.')}.")

    def start(self) -> None:
        """Starts to watch the folders."""
        self._looks.start()

    def stop(self) -> None:
        """Stops watching, and lets every model go."""
        self._looks.stop()
        for table in self._versions.values():
            for version in table.values():
                if version.model:
                    version.model.retire()

    def acquire(self, name: str, number: int | None = None, label: str | None = None) -> Model:
        """Returns a model for one request, which must `release` it.

        Args:
            name: the model.
            number: its version; None is the highest available.
            label: names a version instead.

        Raises:
            ServingError: NOT_FOUND; INVALID_ARGUMENT for an unknown label.
        """
        if label is not None:
            if name not in self.folders or label not in self.labels:
                raise invalid("Unrecognized servable version label: ", label)
            number = self.labels[label]
        with self._lock:
            table = self._versions.get(name, {})
            if number is None:
                loaded = [key for key, version in table.items() if version.model]
                number = max(loaded, default=None)
            version = table.get(number) if number is not None else None
            if version and version.model:
                return version.model.acquire()
        asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
        raise not_found("Servable not found for request: ", asked)

    def ready(self) -> bool:
        """True if every model has an available version, and new ones are still looked for."""
        with self._lock:
            loaded = all(any(v.model for v in table.values()) for table in self._versions.values())
        return loaded and not self._looks.ended

    def available(self, name: str) -> list[int]:
        """Returns the versions of a model that can answer, ascending."""
        with self._lock:
            return sorted(key for key, version in self._versions[name].items() if version.model)

    def status(self, name: str, number: int | None = None) -> dict[str, Any]:
        """Returns the answer of `GET /v1/models/NAME[/versions/V]`.

        Raises:
            ServingError: NOT_FOUND.
        """
        with self._lock:
            table = dict(self._versions.get(name, {}))
        if number is not None and number not in table:
            raise not_found("Could not find version ", number, " of model ", name)
        if not table:
            raise not_found("Could not find any versions of model ", name)
        shown = table if number is None else {number}
        return {
            "model_version_status": [
                {
                    "version": str(key),
                    "state": table[key].state,
                    "status": {
                        "error_code": error.code if (error := table[key].error) else CODES[0],
                        "error_message": error.message if error else "",
                    },
                }
                for key in sorted(shown, reverse=True)
            ]
        }

    def look(self) -> None:
        """Looks once at every folder, and loads, retries and lets go what must be."""
        for name, folder in self.folders.items():
            try:
                found = find_versions(folder)
            except OSError:
                # gone for a moment, perhaps: what is loaded serves on
                continue
            chosen = self.policy.choose(found)
            for number in chosen:
                if not self._looks.stopped.is_set():
                    self._load_if_new(name, number, found[number])
            self._let_go(name, set(chosen))

    def _load_if_new(self, name: str, number: int, folder: Path) -> None:
        with self._lock:
            version = self._versions[name].setdefault(number, Version(number))
        files = identity(folder)
        if files != version.files:
            version.attempts, version.retry_at = 0, 0.0
        elif version.model or version.attempts > self._retries or self._clock() < version.retry_at:
            return
        if not version.model:
            version.state = LOADING
        started = self._clock()
        try:
            model = self._load(name, number, folder)
        except Exception as error:
            self._failed(name, version, files, bare(error))
            return
        with self._lock:
            old, version.model = version.model, model
            version.state, version.error, version.files = AVAILABLE, None, files
        if old:
            old.retire()
        self._say(f"loaded {name} version {number} in {self._clock() - started:.2f} s")

    def _failed(self, name: str, version: Version, files: Identity, error: ServingError) -> None:
        version.files, version.error = files, error
        version.attempts += 1
        wait = self._retry_wait * 2 ** (version.attempts - 1)
        version.retry_at = self._clock() + wait
        last = version.attempts > self._retries
        if not version.model:
            version.state = END if last else LOADING
        plan = "given up until its files change" if last else f"next attempt in {wait:g} s"
        self._say(f"loading {name} version {version.number} failed ({plan}): {error.code}: {error.message}")

    def _let_go(self, name: str, chosen: set[int]) -> None:
        """Retires versions that the policy no longer chooses, once another can take their requests."""
        with self._lock:
            table = self._versions[name]
            if not any(table[number].model for number in chosen):
                return
            gone = [version for key, version in sorted(table.items()) if key not in chosen]
            models = [(version.number, version.model) for version in gone if version.model]
            for version in gone:
                version.state, version.files, version.model = END, (), None
            for version in gone[:-_REMEMBERED]:
                del table[version.number]
        for number, model in models:
            model.retire()
            self._say(f"let go of {name} version {number}")


def identity(folder: Path) -> Identity:
    """Returns what changes when a version's files are replaced: names, inodes, sizes and times."""
    marks = []
    variables = folder / "variables"
    with suppress(OSError):
        within = sorted(variables.iterdir()) if variables.is_dir() else []
        for path in (folder, *(folder / name for name in GRAPH_FILES), variables, *within):
            with suppress(OSError):
                stat = path.stat()
                marks.append((path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(marks)
