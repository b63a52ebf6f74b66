"""Regions of a machine; nothing of it is for Python."""
