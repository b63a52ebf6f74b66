"""Side tables of accesses; nothing of it is for Python."""
