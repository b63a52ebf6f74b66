# Parallel harts: who may touch a hart. Its own thread while it is `busy`; anybody who holds it while it is not.
#
# A hart that nobody holds becomes busy when it likes. Holding one makes its thread leave at its next poll, and wait: so
# whoever holds it may change anything of it, flush its TLB, drop its code. A hart that sleeps, or whose thread runs
# Python, is not busy, and holding it costs two stores.

from libc.stdint cimport uint64_t

from vmcore._fast.hart.state cimport Hart

# The hart's own thread begins and ends to work on it. Beginning waits for whoever holds it.
cdef void park_leave(Hart *hart) noexcept nogil
cdef void park_enter(Hart *hart) noexcept nogil

# Sleep until somebody raises the hart's pins, but no longer than `ns`. It is not busy.
cdef void park_sleep(Hart *hart, uint64_t ns) noexcept nogil

# Another thread. One holder at a time: who holds harts has the machine's lock.
cdef void park_hold(Hart *hart) noexcept nogil
cdef void park_release(Hart *hart) noexcept nogil
