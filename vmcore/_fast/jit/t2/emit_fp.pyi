"""Emission of floating point; nothing of it is for Python."""
