# Leaving a region: by the boundary convention at exits, by a side table at accesses (record.pxd).

from libc.stdint cimport uint16_t, uint32_t

from vmcore._fast.jit.t2.code cimport Away, Code

# Where a register of the guest is at the boundary.
cdef uint16_t boundary_of(uint32_t r) noexcept nogil
# The snapshot into c.moves, from place `n` on. Returns how many there are then.
cdef uint32_t snap_moves(Code *c, uint32_t snap, uint32_t n) noexcept nogil
# Leave by a snapshot, here. `polled`: what was executed has been subtracted.
cdef void emit_exit(Code *c, uint32_t snap, bint polled) noexcept nogil
# Out of line: what a check is for lies in two pages. Block code goes on there, which looks at each access by itself.
cdef void emit_cross(Code *c, uint32_t snap) noexcept nogil
# A jump to another place of the header's page; BEHIND: to that of the header, in block code.
cdef void link_to(Code *c, uint32_t off) noexcept nogil
# Leave to the guest address `target`.
cdef void emit_leave_to(Code *c, uint32_t target, uint32_t snap) noexcept nogil
# Out of line: an access missed.
cdef void miss_aside(Code *c, uint32_t host, const Away *w) noexcept nogil
# Out of line: the host's FPU becomes the guest's.
cdef void fpu_aside(Code *c, uint32_t snap, const Away *w) noexcept nogil
# An exit of the same kind that is there already. NULL: there is none.
cdef Away *find_exit(Code *c, const Away *like) noexcept nogil
# The side tables, behind everything.
cdef void emit_tables(Code *c) noexcept nogil
