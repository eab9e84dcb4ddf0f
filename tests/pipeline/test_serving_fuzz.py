"""The fuzzer of the server, for a few hundred requests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_serving.py"


def test_a_few_hundred_hostile_requests_are_survived(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, str(TOOL), "--requests", "400", "--seed", "7", "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    found = json.loads(report.read_text())
    assert done.returncode == 0 and not found["problems"], (done.stdout, done.stderr[-2000:])
    assert found["requests"] == 400
    assert {"images", "json", "framing"} <= found["answers"].keys()
    # the good ones among them are answered, and what is refused is refused with a reason
    assert found["answers"]["images"]["200"] > 5 and found["answers"]["images"]["400"] > 50
