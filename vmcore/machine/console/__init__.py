"""The guest's consoles as a script sees them: send, expect, log in, run commands."""
