"""Models behind URLs, served from where they are mirrored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.serving.settings import ServeConfig, parse_versions
from pipeline.terminal import Terminal
from ssgan_tf.declare import is_url, plain_path

_PLACES = ("model_dir", "generator_dir")


@contextmanager
def mirrored(config: ServeConfig, terminal: Terminal) -> Iterator[ServeConfig]:
    """Yields the settings with folders of this machine, which are kept like those behind the URLs meanwhile.

    Raises:
        UsageError: a URL is not taken, or holds no version of a model.
        DataError: it cannot be read, or the cache cannot be written to.
    """
    places = {name: plain_path(place) for name in _PLACES if (place := getattr(config, name)) is not None}
    here: dict[str, Any] = {**places}
    with ExitStack() as stack:
        for name, place in places.items():
            if is_url(place):
                # what a server of local folders does not need
                from pipeline.remote.urls import url_of
                from pipeline.serving.models.mirror import Mirror

                mirror = Mirror(
                    url_of(place),
                    cache_folder(config.cache),
                    choose=parse_versions(config.versions).choose,
                    poll=config.mirror_poll,
                    say=terminal.say,
                )
                stack.callback(mirror.stop)
                mirror.first()
                mirror.start()
                here[name] = str(mirror.folder)
        yield replace(config, **here)


def cache_folder(given: str | None) -> Path:
    """The folder for what is mirrored."""
    if given is not None:
        return Path(given).expanduser()
    own, users = os.environ.get("GANPIPE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    cache = Path(own) if own else Path(users or "~/.cache") / "ganpipe"
    return cache.expanduser() / "models"
