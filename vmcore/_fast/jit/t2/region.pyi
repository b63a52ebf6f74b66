"""Regions; nothing of it is for Python."""
