"""The reset state of a hart; nothing of it is for Python."""
