# Control and status registers.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.hart.state cimport Hart, Op

cdef enum:
    CSR_OK = 0
    CSR_ILLEGAL = 1
    CSR_REENTER = 2           # go on through the slow path: interrupts, contexts or deadlines may have changed

cdef enum:
    CSR_WRITE = 1
    CSR_SET = 2
    CSR_CLEAR = 3

# Execute one csrr* operation for hart: checks, read, write, destination.
cdef int csr_op(Hart *hart, Op *op, uint32_t kind, uint64_t operand, bint writes, bint reads) noexcept nogil

# Access without a privilege check (debugger, firmware). icount must be up to date. CSR_ILLEGAL: no such register.
cdef int csr_get(Hart *hart, uint32_t number, uint64_t *value) noexcept nogil
cdef int csr_put(Hart *hart, uint32_t number, uint64_t value) noexcept nogil

cdef uint64_t read_mstatus(const Hart *hart) noexcept nogil

# Work out STIP from stimecmp and the clock, and set the deadline.
cdef void update_stimer(Hart *hart) noexcept nogil

# The same where the timer is due, for whoever finds that; the clock's lock is held if harts are parallel.
cdef void drive_stimer(Hart *hart) noexcept nogil
