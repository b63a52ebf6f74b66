"""Live ranges; nothing of it is for Python."""
