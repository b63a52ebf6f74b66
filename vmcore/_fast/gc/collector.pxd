# The collector: its threads, and a cycle from its first handshake to the last block swept.

from vmcore._fast.gc.layout cimport Heap

# Start the threads of a heap whose memory is set up. -1: the host gives no thread.
cdef int collector_start(Heap *heap) noexcept nogil
# End them; a cycle that runs is finished first, so no mutator may be waited for.
cdef void collector_stop(Heap *heap) noexcept nogil
