"""Emission of arithmetic; nothing of it is for Python."""
