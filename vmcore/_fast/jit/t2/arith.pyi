"""The arithmetic of the pure operations; nothing of it is for Python."""
