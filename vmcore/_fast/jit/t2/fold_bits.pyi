"""Rewriting rules of shifts, widths, comparisons and choices; nothing of it is for Python."""
