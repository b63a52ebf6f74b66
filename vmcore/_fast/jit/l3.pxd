# The third level of the translation cache: images of pages, found by their content, shared by the machines of the
# process and kept in a folder across runs.
#
# Any thread may call these. One lock guards all stores: it is held from store_take() to store_give_back().

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.image cimport Image

# One image: in memory, in a pack on disk, or both; neither: it is gone.
cdef struct Entry:
    uint64_t hash
    uint64_t isa
    uint64_t offset           # in its pack
    Image *image              # NULL: not in memory
    int32_t pack              # index into fds; -1: not on disk
    uint32_t flags
    uint32_t size
    uint32_t insns
    uint32_t heat
    uint32_t stamp            # when it was used last, in seconds since 1970
    uint32_t next             # in its hash chain: index + 1
    uint8_t recent            # used since the last sweep

cdef struct Table:
    Entry *entries
    uint32_t count
    uint32_t room
    uint32_t *heads           # index + 1 into entries
    uint32_t heads_room       # a power of two
    uint32_t now              # stamp of what is used
    uint64_t held             # bytes of images in memory
    uint64_t held_limit
    uint64_t fresh            # instructions that are in no pack yet
    int *fds
    uint8_t *used             # packs that something was taken from
    uint32_t npacks
    uint64_t n_hits
    uint64_t n_misses
    uint64_t n_puts
    uint64_t n_bad            # records that were not what they should be

cdef class Store:
    cdef Table table
    cdef readonly str folder
    cdef readonly str problem
    cdef readonly uint64_t limit
    cdef list paths
    cdef int adopt(self, object pack) except -1
    cdef list collect(self, bint everything)
    cdef int write(self, list items) except -1
    cdef int drop_packs(self, uint32_t n) except -1

# The image of that page, NULL if there is none; then nothing needs to be given back.
cdef Image *store_take(Table *t, const uint8_t *page, uint64_t isa, uint32_t flags, bint counts) noexcept nogil
cdef void store_give_back() noexcept nogil
# How many instructions the store has of that page.
cdef uint32_t store_knows(Table *t, const uint8_t *page, uint64_t isa, uint32_t flags) noexcept nogil
# Takes the image over, whether it is wanted or not.
cdef void store_put(Table *t, Image *image) noexcept nogil
# How warm a count of entries is: 0 cold, 1 warm, 2 hot.
cdef uint32_t heat_class(uint32_t heat) noexcept nogil
