"""A model folder behind a URL, mirrored: each version is on the disk whole, or not at all.

    mirror = Mirror(url, cache, choose=policy.choose)
    mirror.first()          # mirror.folder now holds what `ganpipe serve` watches
    mirror.start()

A version is taken when two looks have found the same files in it, and a graph with all of its variables among
them: an upload under way is not. It is copied beside the others under a name that is no number, checked, and
renamed; a last look must still find the same. What a look chooses no more goes, once all that it chooses is
there. A bucket that cannot be reached changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pipeline.errors import DataError, UsageError, writing_to
from pipeline.remote.urls import Url
from pipeline.serving.models.mirror_place import MirrorPlace
from pipeline.serving.models.remote_versions import Listing, unfit, versions_behind
from pipeline.serving.models.repeated_look import RepeatedLook

SETTLE = 1.0
"""Seconds between the two looks of the start."""
STOP_SECONDS = 5.0


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
        self.url, self._choose, self._say = url, choose, say
        self._place = MirrorPlace(url, cache)
        self.folder = self._place.folder
        self._seen: dict[int, Listing] = {}
        self._told: dict[int, str] = {}
        self._looks = RepeatedLook(
            lambda: self.look(),
            name="mirror",
            seconds=poll,
            say=say,
            # what is here serves on
            in_words=lambda error: f"cannot mirror {url}, and will try again: {error}",
        )

    def first(self) -> None:
        """Brings what is there now, on the caller's thread.

        Raises:
            UsageError: there is no version behind the URL; or another server mirrors it here.
            DataError: it cannot be read, and nothing of it is here; or the disk cannot be written to.
        """
        with writing_to(self._place.root):
            self._place.hold()
        try:
            whole = self.look()
            if not whole:
                self._looks.stopped.wait(SETTLE)
                self.look()
        except DataError as error:
            if not self._place.here():
                raise
            self._say(f"{error} Served is what was mirrored before.")
        if not self._place.here():
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
        self._looks.start()

    def stop(self) -> None:
        """Ends it; a copy under way is given up after the block that is read."""
        # one that waits for a store that does not answer ends with the process
        self._looks.stop(STOP_SECONDS)
        self._place.release()

    def look(self) -> bool:
        """Looks once: takes versions that have settled, and drops those that are not chosen any more.

        Returns:
            Whether all that is chosen is here.

        Raises:
            DataError: the store failed each time, or the disk cannot be written to.
        """
        before, found = self._seen, versions_behind(self.url)
        if not found:
            # as with a local folder that is gone for a moment
            return bool(self._place.here())
        self._seen = found
        fit = {number: files for number, files in found.items() if not self._unfit(number, files)}
        settled = [n for n, files in fit.items() if files in (before.get(n), self._place.listing(n))]
        wanted = self._choose(settled)
        taken = 0
        for number in wanted:
            if self._looks.stopped.is_set():
                return False
            taken += self._take(number, fit[number])
        if wanted and taken == len(wanted):
            for number in set(self._place.here()) - set(wanted):
                self._place.drop(number)
        return bool(wanted) and taken == len(wanted) and set(wanted) == set(self._choose(fit))

    def _unfit(self, number: int, files: Listing) -> bool:
        if wrong := unfit(files):
            text = f"version {number} of {self.url} is not taken: {wrong}"
            if self._told.get(number) != text:
                self._told[number] = text
                self._say(text)
        return bool(wrong)

    def _take(self, number: int, files: Listing) -> bool:
        if self._place.listing(number) == files:
            return True

        def still() -> bool:
            return versions_behind(self.url).get(number) == files

        with writing_to(self._place.root):
            if not self._place.copy(number, files, still=still, stopped=self._looks.stopped.is_set):
                return False
        self._told.pop(number, None)
        self._say(f"mirrored version {number} of {self.url}")
        return True
