"""Block code for RV64I and M: importing the module registers its emitters."""
