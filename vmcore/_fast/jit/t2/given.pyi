"""What was seen of a page's code; nothing of it is for Python."""
