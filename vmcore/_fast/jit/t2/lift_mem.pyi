"""Lifting loads and stores: importing the module registers its lifters."""
