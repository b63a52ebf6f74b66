"""What passes over loops and memory share; nothing of it is for Python."""
