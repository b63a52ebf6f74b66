# The reference evaluator: executes a graph as it is, one node after the other. For tests.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport Graph

# How it came to an end.
cdef enum:
    LEFT_NOT = 0              # it went on for too long
    LEFT_SNAP = 1             # by the snapshot of a node or of a block
    LEFT_TO = 2               # by END_LEAVE_TO
    LEFT_WRONG = 3            # the graph did what it must not: `what` says it
    LEFT_MEMORY = 4           # there was no memory

cdef struct Run:
    # Given.
    uint64_t regs[64]         # x and f; after it: as they are where it was left
    uint64_t page             # virtual address of the page
    uint8_t *memory           # the guest's addresses from `base` on, `size` bytes; everything else misses
    uint64_t base
    uint64_t size
    int64_t budget            # after it: what is left
    uint64_t steps            # nodes that may be executed; after it: that were not
    uint64_t leave_at         # the number, from 1, of the place where it leaves although it need not; 0: none
    uint32_t frm
    # Found.
    uint32_t how              # LEFT_*
    uint32_t node             # that it was left by, or that is wrong; 0: the end of the block
    uint32_t block
    uint32_t kind             # SNAP_*
    uint32_t flags            # fflags that were raised
    uint64_t pc
    uint64_t executed         # instructions, those of the snapshot included
    uint64_t places           # where it could have left
    uint32_t dirty            # mstatus.FS
    const char *what

cdef void evaluate(const Graph *g, Run *run) noexcept nogil
