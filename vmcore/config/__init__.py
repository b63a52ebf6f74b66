"""Settings: what may be configured, how values are written, and where they come from."""
