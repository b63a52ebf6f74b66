# Emission of floating-point operations.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.code cimport Away, Code

cdef void emit_fp(Code *c, uint32_t node) noexcept nogil
# The flags by FLT or FLE: the code of "it is so".
cdef int emit_order(Code *c, uint32_t node) noexcept nogil
# What a node has out of line.
cdef void fp_aside(Code *c, uint32_t node, const Away *w) noexcept nogil
