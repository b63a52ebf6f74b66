"""The managed heap: a concurrent tri-colour mark-sweep collector, and the page trees that snapshots are made of."""
