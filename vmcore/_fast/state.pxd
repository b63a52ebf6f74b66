# What a machine consists of. (run.pxd has what it can do.)

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.dev.bus cimport ClockHandle
from vmcore._fast.dev.clint cimport Clint
from vmcore._fast.hart.state cimport Hart, System
from vmcore._fast.jit.l3 cimport Store
from vmcore._fast.memory.ram cimport Ram

cdef enum:
    QUANTUM = 20000           # instructions that a hart runs before the next one's turn
    QUANTUM_ALONE = 1 << 22   # ... where there is no other

cdef class State:
    cdef System *sys
    cdef void *hart_block
    cdef readonly Ram memory
    cdef readonly ClockHandle clock
    cdef readonly uint32_t nharts
    cdef readonly uint32_t exit_hart
    cdef public object resolver        # symbol name -> address, for faces
    cdef list devices                  # per region: what serves it
    cdef tuple hit                     # callbacks of the probe that was hit last, at hit_pc
    cdef uint64_t hit_pc
    cdef dict hooks                    # probed address -> callables; None stands for a breakpoint
    cdef public tuple hook_args        # what hooks are called with, for each hart
    cdef list pins_handles
    cdef uint32_t current              # hart whose turn it is
    cdef uint32_t last                 # hart that ran last
    cdef uint64_t quantum
    cdef uint64_t quantum_left
    cdef uint64_t budget_left
    cdef readonly uint64_t insns_left  # of the last run's budget
    cdef void place_harts(self) noexcept
    cdef void release(self)
    cdef int follow(self, Clint clint) except -1
    cdef int look_up(self, Hart *h, uint64_t gva, uint32_t want) except -1
    cdef int copy_virtual(self, Hart *h, uint64_t gva, uint8_t *buffer, uint64_t n, bint write) except -1
    cdef uint32_t *watched[8]          # words that end the run when a device sets them
    cdef uint32_t nwatched
    cdef object watch_owners
    cdef Store store
    cdef bint closed
    cdef bint abandoned
    cdef bint running
    cdef uint32_t code_due             # its compiled code is to be moved together when no hart is inside it
    cdef void stand_still(self, Hart *h) noexcept
    cdef Hart *hart(self, object index) except NULL
    cdef int check_idle(self) except -1
    # Parallel harts. While `team` is set each hart has a thread; one at a time, `server`, serves an exit (of hart
    # `server_hart`) and has the machine's lock. It may touch the other harts once it holds them: bits of `held`.
    cdef bint team
    cdef unsigned long server
    cdef uint32_t server_hart
    cdef uint32_t held
    cdef uint32_t pending[8]           # EXIT_* of harts that nobody has served yet
    cdef int own(self) except -1
    cdef int still(self, Hart *h) except -1
    cdef int still_all(self) except -1
    cdef void let_go(self) noexcept
