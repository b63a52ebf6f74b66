"""The managed heap: objects that are collected while their users run.

See ``docs/explanation/collector.md`` for how it works and what each write barrier promises.
"""

from vmcore._fast.gc.heap import CycleStats, Handle, HeapStats, WeakRef
from vmcore.heap.managed import ManagedHeap

__all__ = ["CycleStats", "Handle", "HeapStats", "ManagedHeap", "WeakRef"]
