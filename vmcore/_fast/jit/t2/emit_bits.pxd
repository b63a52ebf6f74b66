# Emission of shifts, extensions and operations on bits.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.code cimport Code

# As compute() of emit_int.pyx: into `to` or another register, which is returned.
cdef int compute_bits(Code *c, uint32_t node, int w, int to) noexcept nogil
