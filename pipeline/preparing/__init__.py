"""What the preprocess stage is made of: scan, draw, write, and the Beam passes that run them."""
