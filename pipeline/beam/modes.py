"""The ways in which a pass over pieces can run; light enough for settings to name them."""

from __future__ import annotations

IN_MEMORY = "in_memory"
MULTI_PROCESSING = "multi_processing"
MODES = (IN_MEMORY, MULTI_PROCESSING)
