"""Block code for floating-point arithmetic: importing the module registers its emitters."""
