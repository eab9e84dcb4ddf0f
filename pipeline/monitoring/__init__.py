"""Whether new images still look like those that an exported classifier was made for."""
