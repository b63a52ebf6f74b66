from libc.stdint cimport uint32_t, uint64_t

cdef struct CodeSegment:
    uint64_t exec_base
    uint64_t write_base
    uint64_t size
    uint32_t index

cdef int code_segment_new(CodeSegment *out) noexcept nogil
cdef void code_segment_free(CodeSegment *s) noexcept nogil
cdef uint64_t code_base() noexcept nogil
cdef uint64_t code_rw_delta() noexcept nogil
