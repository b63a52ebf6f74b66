# One instruction -> one operation, by the rows that vmcore.isa installed.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.hart.state cimport Op

# Fill op->fn, imm, rd, rs1 for `insn` (its low 16 bits when they are a compressed instruction). Returns the length
# in bytes; an encoding that means nothing under `isa` gets the handler of illegal instructions.
cdef uint32_t decode_one(uint64_t isa, uint32_t insn, Op *op) noexcept nogil

# The same, with the number of the handler instead of op.fn.
cdef uint32_t decode_number(uint64_t isa, uint32_t insn, Op *op, uint32_t *handler) noexcept nogil
