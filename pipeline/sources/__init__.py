"""Where images come from: one file a source behind the interface in `source.py`."""
