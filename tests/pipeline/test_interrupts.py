"""What a signal does: asks training to stop, or ends a wait that no Python handler can interrupt."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal
from pipeline.interrupts import ending_at_once, listening, stop_on_signals

with stop_on_signals() as stop:
    with listening(stop):
        {inside}
            os.kill(os.getpid(), signal.{name})
    print(stop.is_set())
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(("inside", "at_once"), [("if True:", False), ("with ending_at_once():", True)])
def test_a_signal_is_seen_later_or_ends_a_wait_at_once(name, inside, at_once):
    program = PROGRAM.format(inside=inside, name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if at_once:
        assert (done.returncode, done.stdout) == (-getattr(signal, name), "")
    else:
        assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
