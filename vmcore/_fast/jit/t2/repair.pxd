# Values that are made in several places: what a use sees then.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

# A value of which blocks have versions of their own: at the end of block b it is out[b], where that is not 0, and at
# its beginning within[b], once that was asked for. The caller fills in `out` for the blocks in which it is made, and
# for those where it is known without looking.
cdef struct Versions:
    Graph *g
    uint32_t *out             # of each block
    uint32_t *within
    uint8_t type

# Room for it; analyse() comes before, and no block is made after it. False: failed.
cdef bint versions_init(Versions *v, Graph *g) noexcept nogil
cdef void versions_free(Versions *v) noexcept nogil
# Begin with another value.
cdef void versions_clear(Versions *v, uint8_t type) noexcept nogil
# What it is at the end of a block, or at its beginning. Blocks where several ways meet get an argument for it.
cdef uint32_t version_at_end(Versions *v, uint32_t block) noexcept nogil
cdef uint32_t version_at_start(Versions *v, uint32_t block) noexcept nogil
# Let every use of `node` outside of the blocks that were filled in see the right one.
cdef void use_versions(Versions *v, uint32_t node) noexcept nogil
