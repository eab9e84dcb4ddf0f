"""A worker process of the multi_processing mode: Beam's own, watched from both sides.

    python -m pipeline.beam.worker DRIVER PLACE

Beam's worker lives on when the process that started it (DRIVER, its process id) is killed, and Beam
waits for ever when a worker is killed. So this one ends with its driver, and keeps PLACE-ID.alive for
as long as it lives, which it takes away when it ends in order, not when it fails.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

_POLL_SECONDS = 0.5


def killed_workers(place: Path) -> list[int]:
    """Returns the ids of workers that are gone without having taken their file away."""
    gone = []
    for file in place.parent.glob(f"{place.name}-*.alive"):
        worker = int(file.stem.removeprefix(f"{place.name}-"))
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            # it may have ended in order between the two looks
            if file.exists():
                gone.append(worker)
    return gone


def end_workers(place: Path) -> None:
    """Ends the workers that are still there; without the killed one Beam has no use for them."""
    for file in place.parent.glob(f"{place.name}-*.alive"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.stem.removeprefix(f"{place.name}-")), signal.SIGKILL)


def _end_with(driver: int) -> None:
    # when the driver is gone, another process takes its place as parent
    while os.getppid() == driver:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def main(driver: int, place: Path) -> None:
    """Serves the driver until it closes the connection."""
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    alive = place.parent / f"{place.name}-{os.getpid()}.alive"
    alive.touch()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
    alive.unlink(missing_ok=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
