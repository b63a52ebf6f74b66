"""Selection of instructions for a region; nothing of it is for Python."""
