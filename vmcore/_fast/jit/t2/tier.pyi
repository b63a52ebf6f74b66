"""The tier; nothing of it is for Python."""
