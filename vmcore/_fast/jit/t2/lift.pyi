"""From a region to its graph; nothing of it is for Python."""
