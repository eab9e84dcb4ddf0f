"""Layers and networks, named as the papers name them."""
