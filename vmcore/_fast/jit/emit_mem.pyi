"""Block code for loads, stores and atomics: importing the module registers its emitters."""
