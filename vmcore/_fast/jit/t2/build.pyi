"""Making pure nodes; nothing of it is for Python."""
