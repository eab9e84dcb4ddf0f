"""Python processes that this one starts: they must find these packages from wherever they are started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PYTHONPATH"
_PACKAGES = Path(__file__).resolve().parents[1]


def search_path() -> str:
    """Returns the PYTHONPATH for a child: the folder of these packages, then what is set already."""
    return os.pathsep.join([str(_PACKAGES), *filter(None, [os.environ.get(VARIABLE)])])


@contextmanager
def importable() -> Iterator[None]:
    """Sets the search path in this process's environment, for children that a library starts."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = search_path()
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
