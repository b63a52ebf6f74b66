"""Remembered pages; nothing of it is for Python."""
