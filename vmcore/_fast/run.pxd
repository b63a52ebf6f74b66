# The run loop. (Parallel harts have a loop each: team.pyx.)

from libc.stdint cimport uint64_t

from vmcore._fast.hart.state cimport Hart
from vmcore._fast.state cimport State

# Why run_system() returned.
cdef enum:
    EXIT_BUDGET = 0
    EXIT_PROBE = 1
    EXIT_SBI = 2
    EXIT_DEADLINE = 3         # until_ns is reached
    EXIT_IDLE = 4             # all harts wait (and, by the host's clock, nothing is due)
    EXIT_STOP = 5             # request_stop()
    EXIT_HTIF = 6
    EXIT_POWER = 7            # a watched word is not zero
    EXIT_PYMMIO = 8           # inside Core.run only
    EXIT_LOOK = 9             # the rest for parallel harts: time to see how things are
    EXIT_OVER = 10            # the run ends for another reason
    EXIT_FULL = 11            # code memory is full

cdef class Core(State):
    cdef int rebuild_probes(self) except -1
    cdef int serve(self, Hart *h) except -1
    cdef int run_system(self, uint64_t budget, uint64_t until_ns) noexcept nogil
    cdef bint at_probe(self, Hart *h) except -1
    cdef int check_generation(self) except -1
    # Move the compiled code together, if it is due. No hart is inside it.
    cdef void tidy_code(self) noexcept
