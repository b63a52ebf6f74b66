# Moving many values at once: those of a block's arguments along an edge, those of the guest's registers into the
# boundary convention. Every value is read before its place is written.

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t

from vmcore._fast.jit.x64.asm cimport Asm

# Places, those of alloc.pxd (0 to 15 general registers, from AT_XMM and AT_SLOT on) and more of them.
cdef enum:
    PLACE_TEMP = 96           # + n: word n of the emitter's own part of the frame, behind the slots
    NUM_TEMPS = 4
    PLACE_HOME = 128          # + r: hart.x[r]; from 32 on hart.f[r - 32]
    PLACE_BASE = 192          # hart.page_base + value; only to move from
    PLACE_CONST = 193         # value; only to move from
    NUM_PLACES = 194
    MOST_MOVES = 160
    FRAME_BYTES = 8 * (64 + NUM_TEMPS)    # below what the way in saves; a multiple of 16

cdef struct Move:
    uint16_t to
    uint16_t source
    int64_t value

# The same moves one after another, into `steps`, which has room for twice as many. Returns how many. Cycles go through
# rax (with `keep_rax`: through PLACE_TEMP) and xmm0; a step from memory to memory goes through rdx.
cdef uint32_t order_moves(Move *moves, uint32_t n, Move *steps, bint keep_rax) noexcept nogil
# One of them. Leaves the flags alone.
cdef void emit_move(Asm *a, const Move *m) noexcept nogil

# Where a place in memory is: the base register and its displacement. -1: it is none.
cdef int memory_of(uint32_t place, int32_t *disp) noexcept nogil
