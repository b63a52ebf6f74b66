# The regions that a machine has, and what each was made from: for people, who can have them made once more.

from libc.stdint cimport uint8_t

from vmcore._fast.hart.state cimport System
from vmcore._fast.jit.cache cimport PageBlocks

# What block code of a page covers, or once did: a bit for each halfword, of which none is set before.
cdef void find_warm(const PageBlocks *u, uint8_t *warm) noexcept nogil
# A tuple for each: the page's bytes, the offset of the region in it, what is warm there (a bit for each halfword), and
# its other pages: how many bytes they lie behind the first one, their bytes, and what is warm. Those that have lost one
# of them are left out.
cdef list regions_of(System *sys)
