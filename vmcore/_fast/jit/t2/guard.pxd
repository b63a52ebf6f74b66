# The way into a region of several pages (pages.pxd).

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.code cimport Code

# Leave for block code, unless the pages are what they were: where they are entered nothing has been moved yet. Changes
# rax, rcx, rdx and the flags.
cdef void emit_guard(Code *c) noexcept nogil
# What is done where a quick look did not show it; `off`: the header.
cdef void guard_aside(Code *c, uint32_t off, uint8_t *back) noexcept nogil
cdef void emit_pages(Code *c) noexcept nogil
