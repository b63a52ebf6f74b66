"""Loops as an allocation sees them; nothing of it is for Python."""
