"""Division by constants; nothing of it is for Python."""
