# The way to guest memory, for whatever loads and stores.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.block cimport Block

# rax: address. Then rcx + rax is where it is on the host; rdx is clobbered. A miss is filled, or leaves.
cdef void find_host(Block *b, uint32_t size, uint32_t acc) noexcept nogil
