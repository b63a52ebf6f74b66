"""Parallel moves of emitted code; nothing of it is for Python."""
