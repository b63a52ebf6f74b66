"""Copies of blocks; nothing of it is for Python."""
