"""The pages of a region, where it is entered; nothing of it is for Python."""
