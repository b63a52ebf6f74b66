# From an allocated graph to machine code.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.code cimport Code
from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.places cimport Allocation

cdef void code_init(Code *c) noexcept nogil
cdef void code_free(Code *c) noexcept nogil
# Emit into a window of memory whose start will be executed at a multiple of CODE_UNIT. `layout`: the blocks, n of them
# (layout.pxd). `parallel`: links may be set while another hart is there.
# `counting`: it counts its look-ups. `slot`: which count of the hart it has. False: the window is full, or something is
# too large, or there is no memory. After select_nodes() and allocate().
cdef bint emit_region(const Graph *g, const Allocation *al, const uint32_t *layout, uint32_t n, Code *c,
                      uint8_t *start, uint8_t *end, bint parallel, bint counting, uint32_t slot) noexcept nogil
