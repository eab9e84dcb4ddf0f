"""What an evaluation leaves in its folder: the names of its files."""

from __future__ import annotations

METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.npz"
SAMPLES_FILE = "samples.png"
