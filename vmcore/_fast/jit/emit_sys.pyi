"""Block code for CSRs and fences: importing the module registers its emitters."""
