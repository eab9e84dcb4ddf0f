"""The stages: one spec and one `run` each. No stage imports another."""
