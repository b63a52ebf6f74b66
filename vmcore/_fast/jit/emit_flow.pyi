"""Block code for branches and jumps: importing the module registers its emitters."""
