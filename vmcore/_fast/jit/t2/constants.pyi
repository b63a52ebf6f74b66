"""Propagation of constants and of copies; nothing of it is for Python."""
