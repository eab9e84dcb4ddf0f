"""Labels carried along a graph of neighbours, to images that have none."""
