"""Forwarding of stores to loads; nothing of it is for Python."""
