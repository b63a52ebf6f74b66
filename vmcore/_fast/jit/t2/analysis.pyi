"""What is known of a graph's blocks; nothing of it is for Python."""
