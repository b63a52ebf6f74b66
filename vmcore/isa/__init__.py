"""Instruction sets as data."""
