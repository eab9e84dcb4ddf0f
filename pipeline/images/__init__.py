"""Image files: what may be decoded, told by their own bytes; shared by preprocess, predict and serve."""
