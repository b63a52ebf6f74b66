"""The order of nodes; nothing of it is for Python."""
