"""Choosing registers; nothing of it is for Python."""
