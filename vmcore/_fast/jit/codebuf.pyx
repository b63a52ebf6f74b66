from libc.stdint cimport uint32_t, uint64_t
from posix.mman cimport mmap, PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS
cdef uint64_t base = 0
cdef uint64_t used = 0
cdef uint64_t freed[1024]
cdef uint32_t nfreed = 0
cdef int code_segment_new(CodeSegment *out) noexcept nogil:
    global base, used, nfreed
    if base == 0:
        base = <uint64_t>mmap(NULL, 256 << 20, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    out.size = 256 << 10
    if nfreed:
        nfreed -= 1
        out.exec_base = freed[nfreed]
    else:
        out.exec_base = base + used
        used += out.size
    out.write_base = out.exec_base
    return 0
cdef void code_segment_free(CodeSegment *s) noexcept nogil:
    global nfreed
    freed[nfreed] = s.exec_base
    nfreed += 1
cdef uint64_t code_base() noexcept nogil:
    return base
cdef uint64_t code_rw_delta() noexcept nogil:
    return 0
