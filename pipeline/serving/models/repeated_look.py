"""A thread that looks at something again and again, and goes on whatever a look raises."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RepeatedLook:
    """Looks every so many seconds, from `start` to `stop`.

    Attributes:
        stopped: set once it is to end; a long look may ask it.
    """

    def __init__(
        self,
        look: Callable[[], object],
        *,
        name: str,
        seconds: float,
        say: Callable[[str], None],
        in_words: Callable[[Exception], str],
    ) -> None:
        """Prepares; the thread begins with `start`.

        Args:
            look: what is done; what it raises is told, and the next look may find it mended.
            name: of the thread.
            seconds: before the first look, and between looks.
            say: is told of a failure, once until it is another one or a look went well.
            in_words: the line that tells it.
        """
        self.stopped = threading.Event()
        self._look, self._seconds, self._say, self._in_words = look, seconds, say, in_words
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def ended(self) -> bool:
        """Whether it was started and looks no more."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self, patience: float | None = None) -> None:
        """Ends it, and waits for a look under way; at most `patience` seconds, where they are given."""
        self.stopped.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def _run(self) -> None:
        said = ""
        while not self.stopped.wait(self._seconds):
            try:
                self._look()
                said = ""
            except Exception as error:
                text = self._in_words(error)
                if said != text:
                    said = text
                    self._say(text)
