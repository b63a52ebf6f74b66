"""Side tables of accesses: reading them, and what is done where an access misses the TLB."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.hart.state cimport ACC_WRITE, Hart
from vmcore._fast.hart.translate cimport is_translated
from vmcore._fast.jit.convention cimport (
    FN_MISS, INFO_ACC_SHIFT, INFO_COUNT_MASK, INFO_COUNT_SHIFT, NUM_PINNED_F, PINNED_F, XMM_OF)
from vmcore._fast.jit.t2.ir cimport F_REGISTERS
from vmcore._fast.jit.t2.moves cimport PLACE_BASE, PLACE_CONST, PLACE_HOME
from vmcore._fast.jit.t2.places cimport AT_SLOT
from vmcore._fast.jit.t2.select cimport LATE_BOX, LATE_CLEAN
from vmcore._fast.memory.mmu cimport WANT_R, WANT_W

ctypedef uint64_t (*miss_t)(Hart *hart, uint64_t gva, uint64_t info) noexcept nogil

cdef enum:
    MOST_REGISTERS = 64


cdef inline uint64_t late_value(uint64_t value, bint is_fp, uint32_t work) noexcept nogil:
    if work == 0:
        return value
    if not is_fp:
        return <uint64_t><int64_t><int32_t>value
    if work & LATE_BOX == 0:
        return 0x7FF8000000000000 if value << 1 > <uint64_t>0x7FF << 53 else value
    if work & LATE_CLEAN and <uint32_t>(value << 1) > <uint32_t>0xFF << 24:
        value = 0x7FC00000
    return value | <uint64_t>0xFFFFFFFF << 32


cdef void restore_guest(Hart *hart, const uint8_t *record, const uint64_t *saved) noexcept nogil:
    cdef uint64_t values[MOST_REGISTERS]
    cdef const uint8_t *pair = record + RECORD_HEAD + (4 if record[6] & RECORD_FAR else 0)
    cdef uint32_t n = record[7]
    cdef const uint8_t *more = pair + 2 * n
    cdef uint64_t extra = 0
    cdef int32_t page = 0
    cdef uint32_t i, place, r
    # All are read before the first is written: a register may be what another one was.
    for i in range(n):
        place = pair[2 * i + 1]
        if place == PLACE_CONST or place == PLACE_BASE:
            memcpy(&extra, more, 8)
            more += 8
            values[i] = extra if place == PLACE_CONST else extra + hart.page_base
        elif place >= PLACE_HOME + F_REGISTERS:
            values[i] = hart.f[place - PLACE_HOME - F_REGISTERS]
        elif place >= PLACE_HOME:
            values[i] = hart.x[place - PLACE_HOME]
        elif place >= AT_SLOT:
            values[i] = saved[SAVED_SLOTS + place - AT_SLOT]
        else:
            # General registers and behind them xmm registers, as the places are.
            values[i] = saved[place]
        values[i] = late_value(values[i], pair[2 * i] & F_REGISTERS, pair[2 * i] >> RECORD_WORK_SHIFT)
    # A region without floating point has none of its registers in its records: they are where they were.
    for i in range(NUM_PINNED_F if hart.fp_live else 0):
        hart.f[PINNED_F[i]] = saved[SAVED_XMM + XMM_OF[PINNED_F[i]]]
    for i in range(n):
        r = pair[2 * i] & (MOST_REGISTERS - 1)
        if r >= F_REGISTERS:
            hart.f[r - F_REGISTERS] = values[i]
        else:
            hart.x[r] = values[i]
    if record[6] & RECORD_FAR:
        memcpy(&page, record + RECORD_HEAD, 4)
        hart.page_base += <uint64_t><int64_t>page


cdef uint64_t on_t2_miss(Hart *hart, uint64_t gva, const uint8_t *record, const uint64_t *saved) noexcept nogil:
    cdef uint32_t info = 0
    cdef uint16_t span = 0
    cdef uint64_t how = T2_MISS_STEP
    cdef uint32_t want
    memcpy(&info, record, 4)
    memcpy(&span, record + 4, 2)
    want = WANT_W if info >> INFO_ACC_SHIFT & ACC_WRITE >> 3 else WANT_R
    if (gva & 4095) + span > 4096:
        # What lies in two pages has no entry. One access may: block code looks at each by itself.
        if not record[6] & RECORD_FIRST:
            how = T2_MISS_NEXT
    elif not record[6] & RECORD_EARLY or is_translated(hart, gva, want):
        if (<miss_t>hart.stubs[FN_MISS])(hart, gva, info) == 0:
            return T2_MISS_FILLED
    restore_guest(hart, record, saved)
    hart.exit_info = info
    # By how much less the budget is than on the way in; what comes before the instruction is subtracted later.
    hart.regions[record[6] >> RECORD_SLOT_SHIFT].insns -= \
        hart.pins.budget - ((info >> INFO_COUNT_SHIFT) & INFO_COUNT_MASK)
    return how
