"""Lifting integer code: importing the module registers its lifters."""
