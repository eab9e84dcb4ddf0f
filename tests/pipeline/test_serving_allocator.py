"""Many threads share two arenas of the allocator, unless the environment says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# heaps of arenas are mapped with their addresses at multiples of 64 MiB
COUNT = """
import ctypes, threading
from pipeline.serving.allocator import limit_arenas
limit_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(12)
places = []
def take():
    together.wait()
    places.append(libc.malloc(1000))
    together.wait()
threads = [threading.Thread(target=take) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len({place >> 26 for place in places}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_threads_share_arenas() -> None:
    root = Path(__file__).resolve().parents[2]
    counts = []
    for environment in ({}, {"MALLOC_ARENA_MAX": "12"}):
        inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
        found = subprocess.run(
            [sys.executable, "-c", COUNT],
            env={**inherited, **environment, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        counts.append(int(found.stdout))
    assert counts[0] <= 2 < counts[1]
