"""Translating one block; nothing of it is for Python."""
