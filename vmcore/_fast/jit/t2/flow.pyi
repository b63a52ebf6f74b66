"""Control flow between basic blocks; nothing of it is for Python."""
