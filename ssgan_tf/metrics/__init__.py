"""Metrics on NumPy arrays: classification, calibration, generation."""
