# Where compiled code gets memory from. Any thread may call these; a block may be freed by another thread than the one
# that asked for it.
#
# Blocks are aligned to 16 bytes. NULL means that there is none (or that the size does not fit into a size_t); it never
# comes for size 0, which gives a block of its own. vm_free(NULL) does nothing.

from libc.stdint cimport uint32_t

cdef void *vm_alloc(size_t size) noexcept nogil
# Zeroed. Large blocks are zero because the kernel's fresh pages are: untouched, they cost nothing.
cdef void *vm_calloc(size_t count, size_t size) noexcept nogil
# As realloc: on NULL the old block is untouched; what is added is not zeroed.
cdef void *vm_realloc(void *block, size_t size) noexcept nogil
# Room for `wanted` elements of `each` bytes in an array that has `room` of them: as often doubled as it takes, from
# `least` on. False: no memory, and nothing has changed.
cdef bint vm_grow(void **array, uint32_t *room, uint32_t wanted, uint32_t least, size_t each) noexcept nogil
cdef void vm_free(void *block) noexcept nogil
# The size that was asked for.
cdef size_t vm_size(const void *block) noexcept nogil
