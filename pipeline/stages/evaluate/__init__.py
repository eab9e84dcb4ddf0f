"""The evaluate stage: its `run` is in `stage`."""
