# What each pure operation computes. Folding of constants and the reference evaluator share it.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

# The result's bits, of any pure operation but a constant. `type`: of the result, or of the operand where the result of
# an operation on floating point is an integer. A T_F32 is the lower half of its number, the upper half is zero.
cdef int64_t fold_op(uint32_t op, uint8_t type, uint16_t size, uint8_t mode, int64_t a, int64_t b,
                     int64_t c) noexcept nogil
