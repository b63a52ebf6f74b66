# The words every compiled module shares: address types, the pins of a hart, the machine's clock, an MMIO region.
#
# Guest virtual, guest physical and host addresses never mix: a function takes one of the three types below.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

ctypedef uint64_t gva_t
ctypedef uint64_t gpa_t
ctypedef uint64_t hva_t

cdef extern from "atomics.h" nogil:
    void VMCORE_ASSERT(bint c)
    bint vmcore_likely(bint c)
    bint vmcore_unlikely(bint c)
    uint64_t vmcore_or64(void *p, uint64_t v)
    uint64_t vmcore_and64(void *p, uint64_t v)
    uint64_t vmcore_load64(void *p)
    uint32_t vmcore_load32(void *p)
    uint8_t vmcore_or8(void *p, uint8_t v)
    uint8_t vmcore_and8(void *p, uint8_t v)
    uint32_t vmcore_add32(void *p, uint32_t n)
    uint64_t vmcore_add64(void *p, uint64_t n)
    uint32_t vmcore_swap32(void *p, uint32_t v)
    void vmcore_fence()
    uint32_t vmcore_look32(void *p)
    void vmcore_raise64(uint64_t *word, uint64_t v)
    void vmcore_lock(uint32_t *lock)
    void vmcore_unlock(uint32_t *lock)
    void vmcore_store64(void *p, uint64_t v)
    void vmcore_store32(void *p, uint32_t v)
    int VMCORE_SWITCH_LOOP
    const uint64_t NO_DEADLINE

cdef extern from "futex.h" nogil:
    void vmcore_futex_wait(uint32_t *word, uint32_t value, uint64_t ns)
    void vmcore_futex_wake(uint32_t *word)

# Bits of mip, and of HartPins.lines.
cdef enum:
    IRQ_SSIP = 1 << 1
    IRQ_MSIP = 1 << 3
    IRQ_STIP = 1 << 5
    IRQ_MTIP = 1 << 7
    IRQ_SEIP = 1 << 9
    IRQ_MEIP = 1 << 11

# What a device may touch of a hart. `lines` are the interrupt inputs as bits of mip; a device on any thread
# changes them with pins_set() and only the hart folds them into what the guest sees.
#
# `budget` is what compiled code counts down (jit/convention.pxd). Whoever wants the hart's attention sets its top
# two bits, so that one test at each poll sees both. The hart's own subtraction may overwrite them at that very moment;
# then the hart looks at exit_req at the end of its quantum, which is never far.
#
# `sleeping` is set while the hart's thread sleeps (parallel harts only): then it has to be woken.
cdef struct HartPins:
    uint32_t exit_req
    uint32_t sleeping
    uint64_t lines
    uint64_t budget

# Two bits, as not all that compiled code subtracts is followed by a test: a budget that is raised and used up stays
# negative, whatever is subtracted before the next one.
cdef inline uint64_t raised_bits() noexcept nogil:
    return <uint64_t>3 << 62

cdef inline void pins_raise(HartPins *pins) noexcept nogil:
    # ORDER: what the hart is to look at was written before this store asks it to.
    # ORDER: ... and before `sleeping` is looked at: who goes to sleep sets that first and looks at exit_req then.
    vmcore_swap32(&pins.exit_req, 1)
    vmcore_or64(&pins.budget, raised_bits())
    if vmcore_unlikely(vmcore_look32(&pins.sleeping)):
        vmcore_store32(&pins.sleeping, 0)
        vmcore_futex_wake(&pins.sleeping)

# The budget without those bits: negative once it is used up. (Budgets are far below 2**61, so raised ones are not far
# from -2**62.)
cdef inline uint64_t without_raise(uint64_t budget) noexcept nogil:
    return budget - raised_bits() if budget >> 61 in (5, 6) else budget

cdef inline void pins_set(HartPins *pins, uint64_t bits, bint level) noexcept nogil:
    if level:
        vmcore_or64(&pins.lines, bits)
    else:
        vmcore_and64(&pins.lines, ~bits)
    pins_raise(pins)

# An interrupt wire: `set(sink, n, level)` drives input n of whatever it is connected to (a PLIC source).
ctypedef void (*irq_set_t)(void *sink, uint32_t n, bint level) noexcept nogil

cdef struct IrqWire:
    irq_set_t set
    void *sink
    uint32_t n

cdef inline void wire_set(IrqWire *w, bint level) noexcept nogil:
    if w.set != NULL:
        w.set(w.sink, w.n, level)

# The machine's one clock. `lock` is its own and that of all compiled devices (parallel harts only). now_ns is brought
# up to date by the run loop before any device is called. A device that waits for a time owns a timer slot; `fire` is
# called from the run loop, without the GIL, once now_ns >= deadline_ns (the slot is set to NO_DEADLINE first; fire may
# set it again).
cdef enum:
    MAX_TIMERS = 64
    NS_PER_TICK = 100          # timebase 10 MHz

ctypedef void (*timer_fire_t)(void *dev, uint32_t arg) noexcept nogil

cdef struct Timer:
    uint64_t deadline_ns
    timer_fire_t fire
    void *dev
    uint32_t arg

cdef struct Clock:
    uint64_t now_ns
    uint64_t wall_base_ns       # seconds since 1970 at virtual time 0, in ns (for the RTC)
    uint32_t ntimers
    uint32_t changed            # set to 1 by whoever moves a deadline: the run loop shortens the quantum
    uint32_t lock
    Timer timers[MAX_TIMERS]

cdef inline void timer_set(Clock *clock, uint32_t slot, uint64_t deadline_ns) noexcept nogil:
    clock.timers[slot].deadline_ns = deadline_ns
    clock.changed = 1

cdef inline uint64_t clock_next(const Clock *clock) noexcept nogil:
    cdef uint64_t best = NO_DEADLINE
    cdef uint32_t i
    for i in range(clock.ntimers):
        if clock.timers[i].deadline_ns < best:
            best = clock.timers[i].deadline_ns
    return best

cdef inline void clock_fire(Clock *clock, uint64_t now_ns) noexcept nogil:
    cdef uint32_t i
    for i in range(clock.ntimers):
        if clock.timers[i].deadline_ns <= now_ns:
            clock.timers[i].deadline_ns = NO_DEADLINE
            clock.timers[i].fire(clock.timers[i].dev, clock.timers[i].arg)

cdef inline void clock_advance(Clock *clock, uint64_t now_ns) noexcept nogil:
    clock.now_ns = now_ns
    clock_fire(clock, now_ns)

# Device access functions. `off` is below the region's size and off + size does not pass its end; size is 1, 2, 4
# or 8. They run without the GIL and never call Python.
ctypedef uint64_t (*mmio_read_t)(void *dev, uint64_t off, uint32_t size) noexcept nogil
ctypedef void (*mmio_write_t)(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil
