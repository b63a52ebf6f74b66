# Loads and stores that missed the TLB.

from vmcore._fast.hart.state cimport Hart, Op

cdef enum:
    ACCESS_REDO = 0           # an entry was made: run the operation again
    ACCESS_SHOT = 1           # an entry was lent: run the copy in hart.scratch[4]
    ACCESS_TRAP = 2           # hart.trap_cause, trap_tval
    ACCESS_LEAVE = 3          # a Python device must be asked first: hart.exit_reason

cdef int resolve(Hart *hart, Op *op) noexcept nogil

# The same for compiled code: ACCESS_REDO, or ACCESS_LEAVE where more than a TLB entry is needed.
cdef int fill(Hart *hart) noexcept nogil

cdef enum:
    SHOT_DONE = 0
    SHOT_ATTENTION = 1        # interrupts or deadlines may have changed
    SHOT_LEAVE = 2            # hart.exit_reason; the instruction is complete

# Take the lent entry back and carry out what the bounce buffer holds.
cdef int finish_shot(Hart *hart) noexcept nogil

# cbo.zero, and the permission of the other cache-block operations: 0, or a trap in hart.trap_*.
cdef int zero_block(Hart *hart, Op *op) noexcept nogil
cdef int check_block(Hart *hart, Op *op) noexcept nogil
