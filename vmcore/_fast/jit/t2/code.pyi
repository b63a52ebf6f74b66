"""What emitters of operations share; nothing of it is for Python."""
