# Memory for what one pass works with: a stack, so that all of them use the same few pages, which are in the cache.
#
# Each block is given back by whoever took it, the last one first; giving one back gives back what was taken behind it.

from libc.stdint cimport uint8_t

cdef struct Scratch:
    uint8_t *start            # NULL: nothing was taken yet
    size_t used

# `count` elements of `size` bytes, aligned to 16. What is in them is whatever was there. NULL: no memory.
cdef void *scratch_take(Scratch *s, size_t count, size_t size) noexcept nogil
# The same, zeroed.
cdef void *scratch_zeroed(Scratch *s, size_t count, size_t size) noexcept nogil
# (NULL is nothing, of any stack or none.)
cdef void scratch_give(Scratch *s, void *block) noexcept nogil
# The stack itself. Nothing of it may be in use.
cdef void scratch_free(Scratch *s) noexcept nogil
