# The process's memory for machine code: one range of addresses, so that all code reaches all other code by a 32-bit
# displacement, handed out in segments.
#
# No page of it is ever writable and executable at once. Where the system allows it there are two views of the same
# memory: code runs at its exec address and is written at exec + code_rw_delta(). Else (mprotect) there is one, and
# code_begin_write() makes pages of it writable, when they cannot be run, until code_end_write(): then no other thread
# may be running code of those pages, see code_is_concurrent(). Else there is none, and nothing can be compiled.
#
# Any thread may call any of these. After fork() the child has none of this: the mappings are gone, so its first
# segment comes from a new store, and code_generation() is another number. Every address of an older generation is dead.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    CODE_SEGMENT_SIZE = 256 << 10
    CODE_RANGE = 256 << 20    # at most; less where a limit of the process demands it
    CODE_SEGMENTS = CODE_RANGE >> 18

cdef enum CodeMethod:
    CODE_NONE, CODE_MEMFD, CODE_SHM, CODE_FILE, CODE_MPROTECT, CODE_METHODS

cdef struct CodeSegment:
    uint8_t *exec_base
    uint8_t *write_base
    size_t size
    uint32_t index
    uint32_t generation

cdef struct CodeStats:
    uint32_t method           # a CodeMethod
    uint32_t generation
    uint32_t in_use           # segments
    uint32_t peak
    uint64_t reserved         # bytes of addresses, of one view
    uint8_t *exec_base
    uint8_t *write_base

# How code gets into memory; the first call of the process (or of a forked child) tries what works.
cdef CodeMethod code_method() noexcept nogil
# 0, or -1 when there is no segment or no memory left. Its bytes are what they are.
cdef int code_segment_new(CodeSegment *out) noexcept nogil
# Gives the memory back; nothing may run in it any more. A segment of an older generation is left alone.
cdef void code_segment_free(const CodeSegment *segment) noexcept nogil
cdef int64_t code_rw_delta() noexcept nogil
# May code be written while other threads run code of the same pages? Not with mprotect.
cdef bint code_is_concurrent() noexcept nogil
# Around every write to [exec, exec + size). 0, or -1: not writable, nothing was changed.
cdef int code_begin_write(uint8_t *exec, size_t size) noexcept nogil
# 0, or -1: it is still writable and cannot be run.
cdef int code_end_write(uint8_t *exec, size_t size) noexcept nogil
cdef uint32_t code_generation() noexcept nogil
cdef void code_stats(CodeStats *out) noexcept nogil
