"""Block code for floating-point moves, loads and stores: importing the module registers its emitters."""
