"""The reference evaluator; nothing of it is for Python."""
