# Emission of checks of the TLB, of loads and of stores.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.code cimport Code

cdef void emit_mem(Code *c, uint32_t node) noexcept nogil
# Out of line: what a check remembers is looked up anew.
cdef void refill_aside(Code *c, uint32_t host, uint8_t *back) noexcept nogil
# ... or was guessed wrong.
cdef void stray_aside(Code *c, uint32_t host, uint8_t *back) noexcept nogil
# rax <- the address that a HOST is about.
cdef void host_address(Code *c, uint32_t host, int to) noexcept nogil
