"""The stubs of the boundary convention; nothing of it is for Python."""
