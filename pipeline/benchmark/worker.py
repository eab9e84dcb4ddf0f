"""The program of one process of a benchmark: `python -m pipeline.benchmark.worker FOLDER`.

Its last line on standard output is, where a user's mistake or a signal ended it, `{"error": message}`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from pipeline.errors import GanpipeError, UsageError, exit_code, message
from pipeline.interrupts import stop_on_signals
from pipeline.terminal import quiet_libraries
from pipeline.workspace import LOG


def main(root: Path) -> int:
    """Works on a benchmark's folder until every cell is there; returns the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with quiet_libraries(root / LOG):
            from pipeline.benchmark.asked import Asked
            from pipeline.benchmark.cells import plan_cells
            from pipeline.benchmark.work import Board, work

            with stop_on_signals() as stop:
                asked = Asked.load(root)
                if asked is None:
                    raise UsageError(f"{str(root)!r} holds no benchmark.")
                work(Board(plan_cells(asked.agreed(), root, stop)))
    except KeyboardInterrupt:
        return _say("stopped by a signal. The same command goes on.", 130)
    except GanpipeError as error:
        return _say(message(error), exit_code(error))
    return 0


def _say(text: str, code: int) -> int:
    print(json.dumps({"error": text}), flush=True)
    return code


def _end_with_parent() -> None:
    # not through sys.stdin: Python aborts where a thread still reads from that at the end
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
