"""Emission of accesses to memory; nothing of it is for Python."""
