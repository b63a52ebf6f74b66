"""What a well-formed graph is; nothing of it is for Python."""
