"""Emission of conversions; nothing of it is for Python."""
