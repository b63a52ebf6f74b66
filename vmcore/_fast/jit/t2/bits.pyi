"""Known bits and needed bits; nothing of it is for Python."""
