# Parallel harts: a thread for each, and who serves what they leave for.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.hart.state cimport Hart
from vmcore._fast.run cimport Core

# One run of a machine's harts.
cdef class Team:
    cdef readonly Core core
    cdef object serve          # exit -> what ends the run, or None
    cdef object next_stop      # -> time at which hart 0 is to leave, or None
    cdef object lock           # whoever serves an exit has it
    cdef list threads
    cdef uint32_t alive        # threads that have begun and not ended
    cdef uint32_t finished     # ... and none may begin any more
    cdef object answer
    cdef object error
    cdef uint32_t *watched[8]  # words that a device sets when it wants Python
    cdef uint32_t nwatched
    cdef uint64_t until_ns
    cdef uint64_t next_look_ns
    cdef void end(self) noexcept
    cdef object serve_idle(self)
    cdef bint all_wait(self) noexcept
    cdef bint seem_to_wait(self) noexcept
    cdef int note_until(self) except -1
    cdef int attend(self, uint32_t index) except -1
    cdef object answer_to(self, Hart *h, int code)
    cdef int work(self, Hart *h) noexcept nogil
    cdef int turn(self, Hart *h, uint64_t *nap) noexcept nogil
