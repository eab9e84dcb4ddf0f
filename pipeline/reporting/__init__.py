"""Plots and reports of a finished run."""
