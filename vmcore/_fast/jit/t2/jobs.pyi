"""Jobs; nothing of them is for Python."""
