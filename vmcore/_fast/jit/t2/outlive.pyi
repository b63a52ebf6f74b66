"""What outlives its block; nothing of it is for Python."""
