"""Motion to where values are used; nothing of it is for Python."""
