# Decoded pages: physical page -> operations.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t, gva_t
from vmcore._fast.hart.state cimport CodeBundle, CodePage, Hart, Op, System, handler_t

# The hart's decoded page at gpa (a page address in RAM), made when there is none; NULL when there is no memory for it.
# Making one may drop others, the current one among them.
cdef CodePage *get_page(Hart *hart, gpa_t gpa) noexcept nogil

# Make sure that the halfword at `off` of the page is decoded. False: no memory. May move page.ops.
cdef bint decode_at(Hart *hart, CodePage *page, uint32_t off) noexcept nogil

# The same for a place that is jumped to: what is there begins with a COUNT or CODE where a compiler is at work.
cdef bint decode_counted(Hart *hart, CodePage *page, uint32_t off) noexcept nogil

# The block at `off` is compiled: its COUNT becomes CODE.
cdef void set_code(CodePage *page, uint32_t off, uint32_t code) noexcept nogil
# Compiled code was moved or dropped: every COUNT and CODE of the hart is what bundle.code says, and no table leads to
# where code was. The hart does not run.
cdef void recode(Hart *hart) noexcept nogil
# Other code begins at `off` of the page now: what led to the old code, which may still be executed, leads there.
# Both are offsets from sys.code_base, in CODE_UNIT. The hart is not inside compiled code.
cdef void recode_place(Hart *hart, const CodeBundle *bundle, uint32_t off, uint32_t old, uint32_t new_) noexcept nogil
cdef bint is_counter(handler_t fn) noexcept nogil

# fence.i: what this hart executes from now on is made from what its memory holds now. Its current operation may be
# gone.
cdef void fence_i(Hart *hart) noexcept nogil

# The same for all harts, none of which runs; and whatever memory holds.
cdef void drop_marked(System *sys) noexcept nogil
cdef void drop_all(System *sys) noexcept nogil

# Forget what died since this hart looked last; and free what every hart has forgotten. Between operations only.
cdef void catch_up(Hart *hart) noexcept nogil
cdef void reap(System *sys) noexcept nogil

# Is gva probed?
cdef bint is_probed(const System *sys, gva_t gva) noexcept nogil

# Look up the handlers that have no instruction; called once they are registered.
cdef int bind() except -1

# The bundle of a page that code was fetched from; NULL: there is none.
cdef CodeBundle *find_bundle(System *sys, gpa_t gpa) noexcept nogil
