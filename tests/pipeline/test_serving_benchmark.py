"""The benchmark of the server runs, and reports what a program can read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "benchmark_serving.py"


@pytest.mark.slow
def test_benchmark_reports_load_and_limit(model_root: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--seconds", "1", "--rounds", "1", "--connections", "1,16", "--json", str(report)]
    command = [sys.executable, str(TOOL), str(model_root / "digits"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "ganpipe 16" in done.stdout
    document = json.loads(report.read_text())
    assert document["limit_images_per_second"] > 0 and document["ready_seconds"] > 0
    assert document["loads"].keys() == {"ganpipe 1", "ganpipe 16"}
    for row in document["loads"].values():
        assert row["errors"] == 0
        assert row["requests_per_second"] > 0 and 0 < row["p50_ms"] <= row["p99_ms"]
