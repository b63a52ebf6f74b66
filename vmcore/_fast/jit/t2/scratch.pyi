"""Memory for what one pass works with; nothing of it is for Python."""
