"""Stage `train`: prepared data to checkpoints, event files and samples."""
