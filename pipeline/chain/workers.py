"""Which worker of a training over several machines writes its result."""

from __future__ import annotations

import json
import os

from pipeline.config import TrainConfig


def is_chief(config: TrainConfig) -> bool:
    """Whether this process publishes: it trains alone, or is the chief of several workers."""
    if config.strategy != "multiworker":
        return True
    if config.worker_index is not None:
        return config.worker_index == 0
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    return task.get("type") != "worker" or int(task.get("index", 0)) == 0
