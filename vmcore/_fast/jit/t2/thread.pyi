"""A pass; nothing of it is for Python."""
