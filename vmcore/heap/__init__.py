"""The managed heap, the fragmentation monitor, and where memory is placed."""
