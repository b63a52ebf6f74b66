"""The compiler; nothing of it is for Python."""
