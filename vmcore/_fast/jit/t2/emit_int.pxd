# Emission of operations on integers.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.code cimport Away, Code

cdef void emit_int(Code *c, uint32_t node) noexcept nogil
# The flags by a condition; the code (CC_*) of "it is not zero".
cdef int emit_condition(Code *c, uint32_t node) noexcept nogil
# Division by zero and by -1, out of line.
cdef void divide_aside(Code *c, uint32_t node, const Away *w) noexcept nogil
