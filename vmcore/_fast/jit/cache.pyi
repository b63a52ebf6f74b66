"""The compiled code of a machine; nothing of it is for Python."""
