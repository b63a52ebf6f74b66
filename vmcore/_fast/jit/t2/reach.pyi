"""Where a page leads to; nothing of it is for Python."""
