"""How often blocks are executed; nothing of it is for Python."""
