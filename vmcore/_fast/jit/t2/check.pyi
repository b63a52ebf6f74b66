"""The check of an allocation; nothing of it is for Python."""
