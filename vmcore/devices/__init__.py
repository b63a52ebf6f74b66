"""Devices: one folder or file each, with their device-tree bindings."""
