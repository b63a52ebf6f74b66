# A hart's address translation: which contexts it uses, what an address means, what a flush drops.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport gva_t
from vmcore._fast.hart.state cimport MSTATUS_MPRV, PRIV_M, Hart

# Privilege of loads and stores: MPRV lends M-mode that of MPP.
cdef inline uint32_t data_priv(const Hart *hart) noexcept nogil:
    if hart.priv == PRIV_M and hart.mstatus & MSTATUS_MPRV:
        return (hart.mstatus >> 11) & 3
    return hart.priv

# Work out the contexts again: after satp, a privilege, MPRV, MPP, SUM, MXR, ADUE or PBMTE changed.
cdef void update_contexts(Hart *hart) noexcept nogil

# Translate `size` bytes at gva (inside one page) for WANT_*; the answer is in hart.walk and hart.partial. Returns
# WALK_*.
cdef int translate(Hart *hart, gva_t gva, uint32_t size, uint32_t want, uint32_t priv) noexcept nogil

# Would translating gva for WANT_* leave the page tables as they are, and not fault? Physical memory protection is not
# looked at. What a walk finds is kept, as it may be at any time (privileged specification, section 12.2.1).
cdef bint is_translated(Hart *hart, gva_t gva, uint32_t want) noexcept nogil

# sfence.vma; by_address and by_asid say which operands were given.
cdef void flush_tlb(Hart *hart, bint by_address, gva_t gva, bint by_asid, uint64_t asid) noexcept nogil

# Everything goes: PMP or a control of translation changed.
cdef void flush_all(Hart *hart) noexcept nogil

# Decoded operations of this hart went or moved: forget pointers to them; and those to compiled code as well.
cdef void forget_jumps(Hart *hart) noexcept nogil
cdef void forget_code(Hart *hart) noexcept nogil

# Code is fetched from the page of gva, which hart.walk has just found, in a translation of `span` bytes: a flush of any
# address in it has to forget that. May change the fetch context.
cdef void note_fetch(Hart *hart, gva_t gva, uint64_t span) noexcept nogil

# The hart's table of compiled code knows from now on what begins at pc.
cdef void put_code(Hart *hart, gva_t pc, uint64_t code) noexcept nogil
