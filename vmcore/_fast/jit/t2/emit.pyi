"""Emission of a region; nothing of it is for Python."""
