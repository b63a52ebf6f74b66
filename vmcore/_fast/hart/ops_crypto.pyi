"""Handlers of the scalar cryptography extensions: importing the module registers them."""
