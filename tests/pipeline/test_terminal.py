"""Progress where there is no terminal: plain lines, not too many, with the time that is left."""

import io
import re

import pytest

from pipeline import terminal
from pipeline.terminal import Terminal


@pytest.fixture
def shown(monkeypatch):
    """Runs updates at given seconds; returns the lines."""

    def show(updates, total, quiet=False):
        clock = iter([0.0, *(second for second, *_ in updates)])
        monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
        stream = io.StringIO()
        with Terminal(stream, quiet).progress("train gan", total) as progress:
            for _, *arguments in updates:
                progress.update(*arguments)
        return stream.getvalue().splitlines()

    return show


def test_a_line_every_ten_seconds_and_at_the_end(shown):
    lines = shown([(second, second + 1) for second in range(35)], 35)
    assert [line.split()[2].partition("/")[0] for line in lines] == ["11", "21", "31", "35"]


def test_time_left_goes_by_the_steps_since_this_process_began(shown):
    # continued at step 1,000; the first call of 50 steps took 30 s (tracing), each further one 10 s
    lines = shown([(30, 1050), (40, 1100), (50, 1150, {"gan/loss": 0.5})], 2000)
    assert lines == [
        "  train gan 1050/2000",
        "  train gan 1100/2000, 0:03:00 left",
        "  train gan 1150/2000 gan/loss 0.5, 0:02:50 left",
    ]


def test_a_long_wait_is_told_in_hours(shown):
    assert shown([(0, 1), (20, 2)], 1802)[-1].endswith(", 10:00:00 left")


@pytest.mark.parametrize("interactive", [False, True])
def test_a_line_stays_beside_the_progress_as_it_was_given(interactive):
    class Screen(io.StringIO):
        def isatty(self):
            return interactive

    text = "  epoch 3/2.4 (40 % of it): [bold] loss 1.2" + ", and so on" * 20
    stream = Screen()
    with Terminal(stream).progress("train gan", 2) as progress:
        progress.update(1, {"gan/loss": 0.5})
        progress.say(text)
        progress.update(2)
    assert text in [
        line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue()).splitlines()
    ]


def test_nothing_is_left_at_the_end_and_quiet_is_quiet(shown):
    assert shown([(0, 1), (1, 2)], 2) == ["  train gan 2/2"]
    assert shown([(0, 1), (1, 2)], 2, quiet=True) == []
