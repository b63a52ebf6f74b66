from vmcore._fast.gc.heap import HeapBase
from vmcore._fast.memory.slabheap import Survey

def survey(heap: HeapBase) -> Survey: ...
