"""The graph of a region; nothing of it is for Python."""
