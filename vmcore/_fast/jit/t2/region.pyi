"""Regions; nothing of them is for Python."""
