# Emission of conversions between integers and floating point.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.code cimport Away, Code

cdef void emit_from_int(Code *c, uint32_t node) noexcept nogil
cdef void from_int_aside(Code *c, uint32_t node, const Away *w) noexcept nogil
cdef void emit_to_int(Code *c, uint32_t node) noexcept nogil
cdef void to_int_aside(Code *c, uint32_t node, const Away *w) noexcept nogil
