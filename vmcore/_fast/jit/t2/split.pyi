"""Splitting of live ranges; nothing of it is for Python."""
