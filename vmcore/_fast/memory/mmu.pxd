# The page walk of Sv39, Sv48 and Sv57 (privileged specification 1.13, sections 12.4 to 12.6; Svnapot, Svpbmt, Svadu).

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t, gva_t
from vmcore._fast.memory.pmp cimport Pmp
from vmcore._fast.memory.ram cimport Memory

cdef enum:
    WALK_OK = 0
    WALK_PAGE_FAULT = 1
    WALK_ACCESS_FAULT = 2
    WANT_R = 1
    WANT_W = 2
    WANT_X = 4
    PTE_V = 1
    PTE_R = 2
    PTE_W = 4
    PTE_X = 8
    PTE_U = 16
    PTE_G = 32
    PTE_A = 64
    PTE_D = 128

# What a walk is given and what it found.
cdef struct Walk:
    Memory *mem
    Pmp *pmp
    gpa_t root
    uint32_t levels           # 3, 4 or 5; 0 = no translation
    uint32_t priv             # 0 or 1 (with levels != 0)
    uint8_t sum
    uint8_t mxr
    uint8_t adue              # A and D are set by hardware
    uint8_t peek              # A and D do not matter and stay as they are: a debugger looks
    uint8_t pbmte
    uint8_t napot
    gpa_t gpa
    uint64_t span             # bytes of the mapping that holds the address
    uint64_t pte              # its leaf, A and D as the walk left them

# Does a leaf's R, W, X and U let this access through (sections 12.1.1.2 and 12.3.1)?
cdef inline bint pte_allows(const Walk *w, uint64_t pte, uint32_t want) noexcept nogil:
    if want & WANT_R and not (pte & PTE_R or (w.mxr and pte & PTE_X)):
        return False
    if want & WANT_W and not pte & PTE_W:
        return False
    if want & WANT_X and not pte & PTE_X:
        return False
    if pte & PTE_U:
        return w.priv == 0 or (not want & WANT_X and w.sum)
    return w.priv == 1

cdef int mmu_walk(Walk *w, gva_t gva, uint32_t want) noexcept nogil
