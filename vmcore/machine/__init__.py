"""The machine: everything compiled, composed into something that boots."""
