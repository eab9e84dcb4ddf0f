"""Files behind URLs: how they are named, listed and read, and how often is tried. Nothing is ever written."""
