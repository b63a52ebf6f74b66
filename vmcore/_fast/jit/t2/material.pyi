"""What regions are made from; nothing of it is for Python."""
