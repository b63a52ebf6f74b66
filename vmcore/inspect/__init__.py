"""Looking into programs and machines."""
