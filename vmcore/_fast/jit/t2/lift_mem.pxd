# Accesses, for what loads and stores floating-point registers.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.t2.lift cimport Lift

# The value that a load of that many bytes at x[rs1] + imm has; flags MEM_SIGNED, type T_*.
cdef uint32_t load(Lift *t, const Op *op, uint32_t size, uint32_t flags, uint8_t type) noexcept nogil
cdef void store(Lift *t, const Op *op, uint32_t size, uint32_t value) noexcept nogil
