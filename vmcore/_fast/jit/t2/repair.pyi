"""Versions of values; nothing of it is for Python."""
