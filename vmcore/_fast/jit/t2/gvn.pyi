"""Value numbering; nothing of it is for Python."""
