"""Looking into a running machine."""
