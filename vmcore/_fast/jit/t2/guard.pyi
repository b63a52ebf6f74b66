"""The way into a region of several pages; nothing of it is for Python."""
