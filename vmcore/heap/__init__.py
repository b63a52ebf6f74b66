"""The managed heap, the snapshot store that stands on it, the fragmentation monitor, and where memory is placed.

The managed heap collects objects while their users run: see ``docs/explanation/collector.md`` for how it works and what
each write barrier promises.
"""

from vmcore._fast.gc.heap import CycleStats, Handle, HeapStats, WeakRef
from vmcore.heap.managed import ManagedHeap

__all__ = ["CycleStats", "Handle", "HeapStats", "ManagedHeap", "WeakRef"]
