"""Look-ups of places by compiled code; nothing of them is for Python."""
