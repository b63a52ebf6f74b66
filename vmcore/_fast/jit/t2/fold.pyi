"""Rewriting rules of the pure operations."""

RULES: tuple[str, ...]
