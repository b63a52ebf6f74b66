"""Allocation; nothing of it is for Python."""
