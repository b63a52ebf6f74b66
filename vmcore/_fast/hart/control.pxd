# Control flow outside the fast paths: entering code at an address, polls, links, traps, and leaving the run loop.

from libc.stdint cimport uint64_t

from vmcore._fast.defs cimport gva_t
from vmcore._fast.hart.state cimport Hart

# Run the hart from hart.pc with `budget` instructions; when it returns, hart.pc, icount and exit_reason are exact.
cdef void run_hart(Hart *hart, uint64_t budget) noexcept nogil

# Point the hart's go_* pointers at this module's handlers.
cdef void install_paths(Hart *hart) noexcept nogil
