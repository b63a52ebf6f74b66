"""Colouring; nothing of it is for Python."""
