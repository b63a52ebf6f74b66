"""Known bits; nothing of it is for Python."""
