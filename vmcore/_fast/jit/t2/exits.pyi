"""Exits and side tables of a region; nothing of it is for Python."""
