"""Unrolling; nothing of it is for Python."""
