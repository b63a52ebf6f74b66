"""Sharing of what is known about pages; nothing of it is for Python."""
