"""Layout of the blocks of a region; nothing of it is for Python."""
