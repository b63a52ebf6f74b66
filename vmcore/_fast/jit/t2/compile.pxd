# From a page's bytes to the machine code of a region: the whole of T2's compiler, stage by stage.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.alloc cimport Allocation
from vmcore._fast.jit.t2.ir cimport Graph

cdef struct Job

# What a compile thread works with, again and again.
cdef struct Workshop:
    Graph graph
    Allocation places
    uint32_t how              # BY_*

cdef Workshop *workshop_open() noexcept nogil
cdef void workshop_close(Workshop *shop) noexcept nogil
