"""Which ways of a region a hart goes; nothing of it is for Python."""
