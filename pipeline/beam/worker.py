"""A worker process of the multi_processing mode: one of Beam's, that serves one pass after the other.

    python -m pipeline.beam.worker      started by `pipeline.beam.pool`, which writes to its standard input

Beam ends its workers with each pass, and each new one loads TensorFlow again. This one takes a line for each
pass, JSON of what Beam's own worker finds in its environment, and serves the pass until its runner has no
more work. It ends when the process that started it closes its standard input, or is gone.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading


def _listen(passes: queue.SimpleQueue[dict[str, str]]) -> None:
    for line in sys.stdin:
        passes.put(json.loads(line))
    # in the middle of a piece too: nobody waits for it any more
    os._exit(0)


def main() -> None:
    """Serves passes until standard input ends."""
    passes: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(passes,), daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    while True:
        handler, harness, _ = sdk_worker_main.create_harness(passes.get())
        try:
            harness.run()
        finally:
            if handler:
                logging.getLogger().removeHandler(handler)
                handler.close()


if __name__ == "__main__":
    main()
