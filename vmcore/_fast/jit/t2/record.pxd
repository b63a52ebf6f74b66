# The side table of one access that may miss the TLB: where its code keeps what the guest has in its registers.
#
# Bytes, next to each other, in the code behind everything that is executed:
#
#   info    4   the instruction and what came before it, as INFO_* (jit/convention.pxd); its size: 1
#   span    2   how many bytes are accessed from the address on
#   flags   1   RECORD_*
#   n       1   how many pairs follow
#   page    4   where the instruction's page lies, from the region's first one on, in bytes; with RECORD_FAR only
#   pairs   2n  register of the guest (32 and more: floating point) and what is left to do to it (LATE_*, select.pxd),
#               place
#   values  8k  one for each place that is PLACE_CONST or PLACE_BASE, in the order of the pairs
#
# A place is that of moves.pxd: a register or a slot of the code, hart.x or hart.f, the page's address plus a value, or
# a value. Registers that are not in it are as they were when the region was entered, where they were then.

from libc.stdint cimport uint8_t, uint64_t

from vmcore._fast.hart.state cimport Hart

cdef enum:
    RECORD_HEAD = 8
    RECORD_WORK_SHIFT = 6
    RECORD_EARLY = 1          # the guest has not asked for it yet: nothing may be changed that it could see
    RECORD_SLOT_SHIFT = 4     # of the count that the region has (hart.regions), above them
    RECORD_FAR = 4            # the instruction lies in another page than the region's first
    RECORD_FIRST = 2          # it is for the region's first instruction: to go on there would be to come back
    # What STUB_T2_MISS saves: words of the general registers by number, of the xmm registers, and from where on the
    # slots of the frame are found behind them.
    SAVED_XMM = 16
    SAVED_BYTES = 8 * 32 + 8
    SAVED_SLOTS = 34

# What STUB_T2_MISS calls. T2_MISS_FILLED: the TLB has an entry now. Else the hart's registers are what they are before
# the instruction that hart.exit_info names, where it goes on; T2_MISS_STEP: which is T0's to execute.
cdef enum:
    T2_MISS_FILLED = 0
    T2_MISS_STEP = 1
    T2_MISS_NEXT = 2
cdef uint64_t on_t2_miss(Hart *hart, uint64_t gva, const uint8_t *record, const uint64_t *saved) noexcept nogil
# The registers, and the page, from a record. `record` may be any that the emitter has written.
cdef void restore_guest(Hart *hart, const uint8_t *record, const uint64_t *saved) noexcept nogil
