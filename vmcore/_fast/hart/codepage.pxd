# Decoded pages: physical page -> operations.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t, gva_t
from vmcore._fast.hart.state cimport CodePage, Hart, Op, System, handler_t

# The decoded page at gpa (a page address in RAM), made when there is none; NULL when the host has no memory. Making
# one may drop others, the current pages of the harts among them.
cdef CodePage *get_page(System *sys, gpa_t gpa) noexcept nogil

# Make sure that the halfword at `off` of the page is decoded. False: no memory. May move page.ops.
cdef bint decode_at(Hart *hart, CodePage *page, uint32_t off) noexcept nogil

# The same for a place that is jumped to: what is there begins with a COUNT or CODE where a compiler is at work.
cdef bint decode_counted(Hart *hart, CodePage *page, uint32_t off) noexcept nogil

# The block at `off` is compiled: its COUNT becomes CODE.
cdef void set_code(CodePage *page, uint32_t off, uint32_t code) noexcept nogil
cdef bint is_counter(handler_t fn) noexcept nogil

# Drop the pages that were written since they were decoded (fence.i), or all of them.
cdef void drop_marked(System *sys) noexcept nogil
cdef void drop_all(System *sys) noexcept nogil

# Is gva probed?
cdef bint is_probed(const System *sys, gva_t gva) noexcept nogil

# Look up the handlers that have no instruction; called once they are registered.
cdef int bind() except -1
