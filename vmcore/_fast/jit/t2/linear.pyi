"""Linear scan; nothing of it is for Python."""
