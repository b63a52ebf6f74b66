"""Emission of shifts and operations on bits; nothing of it is for Python."""
