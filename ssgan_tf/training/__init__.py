"""The training loop and what it gives every recipe: strategy, precision, averages, checkpoints."""
