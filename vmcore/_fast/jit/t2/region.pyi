"""Regions; nothing of it is for Python."""

HANDLER_MODULES: tuple[object, ...]
