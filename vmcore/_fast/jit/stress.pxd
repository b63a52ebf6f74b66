# Ways to make what is rare in compiled code common, and to stop where it is left: for tests. Nothing of this costs
# anything while it is off, as it replaces what the run loop and the stubs call.

from vmcore._fast.hart.state cimport System

# Put what the cache's `stress` says into force; all of it 0 takes it out again.
cdef void stress_install(System *sys) noexcept nogil
