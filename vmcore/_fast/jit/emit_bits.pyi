"""Block code for bit manipulation: importing the module registers its emitters."""
