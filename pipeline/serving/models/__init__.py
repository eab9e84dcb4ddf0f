"""Versions of models: found, loaded, warmed up, called in batches."""
