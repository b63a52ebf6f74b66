# Counting instructions and telling the time, at any operation.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport NS_PER_TICK, gva_t, vmcore_load64, vmcore_raise64
from vmcore._fast.hart.state cimport Hart, Op, System

cdef extern from "hart/hosttime.h" nogil:
    uint64_t vmcore_monotonic_ns()

cdef inline gva_t pc_of(const Op *op, const Hart *hart) noexcept nogil:
    return hart.page_base + (op.off & ~<uint64_t>1)

cdef inline gva_t pc_after(const Op *op, const Hart *hart) noexcept nogil:
    return hart.page_base + (op.off & ~<uint64_t>1) + 2 + 2 * (op.off & 1)

# Bring icount up to date, given the budget that is left (in sixteenths).
cdef inline void sync_count(Hart *hart, uint64_t left) noexcept nogil:
    hart.icount += (hart.rem_start - left) >> 4
    hart.rem_start = left

# Bring the machine's clock up to date; icount must be.
cdef inline void sync_clock(Hart *hart) noexcept nogil:
    cdef System *s = hart.sys
    if s.host_clock:
        # Several harts may do so at once: none of them sees it go back.
        vmcore_raise64(&s.clock.now_ns, vmcore_monotonic_ns() - s.host_base_ns)
    else:
        s.clock.now_ns = s.q_ns + (hart.icount - s.q_icount) * s.ns_per_insn

cdef inline uint64_t time_ticks(const System *s) noexcept nogil:
    return vmcore_load64(<void *>&s.clock.now_ns) // <uint64_t>NS_PER_TICK + <uint64_t>s.time_off
