"""Ctrl-C and SIGTERM: the first asks training for a checkpoint and a clean end, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signals() -> Iterator[StopEvent]:
    """Yields an event that SIGINT or SIGTERM sets; a second signal has its usual effect.

    Outside of training nobody looks at the event: there the first signal raises KeyboardInterrupt.
    """
    event = StopEvent()
    before = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if event.is_set() or not event.listening:
            raise KeyboardInterrupt
        # no printing here: the signal may have come in the middle of a print
        event.set()

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def listening(stop: StopEvent | None) -> Iterator[None]:
    """Within it, a signal sets the event; outside, it raises KeyboardInterrupt."""
    if stop is not None:
        stop.listening = True
    try:
        yield
    finally:
        if stop is not None:
            stop.listening = False


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Within it SIGINT and SIGTERM end the process, as while it waits for other processes.

    Python's handlers run between its own instructions: a wait inside TensorFlow would never see the event.
    There TensorFlow takes SIGTERM for itself, which is why `ssgan_tf.training.meeting` comes before.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopEvent(threading.Event):
    """An event that knows whether somebody will look at it.

    Attributes:
        listening: True while training runs.
    """

    listening = False
