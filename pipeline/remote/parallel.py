"""Reading several at once, in order, with a bound on what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pipeline.remote.systems import READERS

HELD_BYTES = 64 << 20
"""Bytes that may wait in memory, or one file that is larger."""
F = TypeVar("F")
T = TypeVar("T")


def in_parallel(files: Sequence[F], work: Callable[[F], T], weight: Callable[[F], int]) -> Iterator[T]:
    """Yields `work(file)` of each file in their order, `READERS` at a time.

    Args:
        files: what is worked on.
        work: is called from several threads.
        weight: bytes of a result; those that wait have `HELD_BYTES` at most.

    What a call raises is raised where its result would stand.
    """
    if len(files) < 2:
        yield from map(work, files)
        return
    pool = ThreadPoolExecutor(min(READERS, len(files)), thread_name_prefix="remote")
    waiting: list[tuple[int, Future[T]]] = []
    held = position = 0
    try:
        while waiting or position < len(files):
            while position < len(files) and len(waiting) < 2 * READERS:
                bytes_ = weight(files[position])
                if waiting and held + bytes_ > HELD_BYTES:
                    break
                waiting.append((bytes_, pool.submit(work, files[position])))
                held, position = held + bytes_, position + 1
            bytes_, first = waiting.pop(0)
            result = first.result()
            held -= bytes_
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
