"""States of loops; nothing of it is for Python."""
