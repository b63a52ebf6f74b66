"""The page walk of Sv39, Sv48 and Sv57, with Svnapot, Svpbmt, Svade and Svadu."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t, gva_t
from vmcore._fast.memory.guestmem cimport gcas64
from vmcore._fast.memory.pmp cimport PMP_R, PMP_W, pmp_allows
from vmcore._fast.memory.ram cimport page_r, page_w

cdef extern from "atomics.h" nogil:
    uint64_t vmcore_load64(void *p)


cdef int mmu_walk(Walk *w, gva_t gva, uint32_t want) noexcept nogil:
    cdef uint32_t va_bits = 12 + 9 * w.levels
    cdef int64_t sign = <int64_t>gva >> (va_bits - 1)
    cdef gpa_t table = w.root
    cdef gpa_t pte_at
    cdef uint64_t pte, need, span
    cdef uint8_t *page
    cdef int level
    if sign != 0 and sign != -1:
        return WALK_PAGE_FAULT
    level = <int>w.levels - 1
    while level >= 0:
        pte_at = table + ((gva >> (12 + 9 * level)) & 511) * 8
        # Implicit accesses to page tables are made with S-mode's rights (section 3.7.1).
        if not pmp_allows(w.pmp, pte_at, 8, PMP_R, 1):
            return WALK_ACCESS_FAULT
        page = page_r(w.mem, pte_at)
        if page == NULL:
            return WALK_ACCESS_FAULT
        pte = vmcore_load64(page + (pte_at & 4095))
        if not pte & PTE_V or pte & (PTE_R | PTE_W) == PTE_W or (pte >> 54) & 0x7F:
            return WALK_PAGE_FAULT
        if pte & (PTE_R | PTE_X) == 0:
            # A pointer to the next level: A, D, U, N and PBMT are reserved.
            if pte & (PTE_A | PTE_D | PTE_U) or pte >> 61:
                return WALK_PAGE_FAULT
            table = ((pte >> 10) & 0xFFFFFFFFFFFu) << 12
            level -= 1
            continue
        if (pte >> 61) & 3 and (not w.pbmte or (pte >> 61) & 3 == 3):
            return WALK_PAGE_FAULT
        span = <uint64_t>4096 << (9 * level)
        w.gpa = (((pte >> 10) & 0xFFFFFFFFFFFu) << 12)
        if w.gpa & (span - 1):
            return WALK_PAGE_FAULT                    # misaligned superpage
        if pte >> 63:
            # Svnapot: 64 KiB, encoded as ppn[3:0] = 0b1000, at the last level only.
            if not w.napot or level != 0 or (pte >> 10) & 15 != 8:
                return WALK_PAGE_FAULT
            span = 65536
            w.gpa &= ~<uint64_t>0xFFFF
        if not pte_allows(w, pte, want):
            return WALK_PAGE_FAULT
        need = PTE_A | PTE_D if want & WANT_W else PTE_A
        if pte & need != need and not w.peek:
            if not w.adue:
                return WALK_PAGE_FAULT
            if not pmp_allows(w.pmp, pte_at, 8, PMP_R | PMP_W, 1):
                return WALK_ACCESS_FAULT
            page = page_w(w.mem, pte_at)
            if page == NULL:
                return WALK_ACCESS_FAULT
            if gcas64(<uint64_t>page + (pte_at & 4095), pte, pte | need) != pte:
                # Another hart changed the entry: walk again from the top.
                table = w.root
                level = <int>w.levels - 1
                continue
            pte |= need
        w.pte = pte
        w.span = span
        w.gpa |= gva & (span - 1)
        return WALK_OK
    return WALK_PAGE_FAULT
