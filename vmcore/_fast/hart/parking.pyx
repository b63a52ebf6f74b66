"""Parallel harts: who may touch a hart, and how its thread sleeps."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport (
    pins_raise, vmcore_add32, vmcore_futex_wait, vmcore_futex_wake, vmcore_look32, vmcore_store32, vmcore_swap32)
from vmcore._fast.hart.state cimport Hart

cdef enum:
    # Compiled code polls within a microsecond or so; beyond that the thread is not on a processor, or interprets.
    SPINS = 400
    RAISE_AGAIN_NS = 100_000
    HELD_NS = 50_000_000

cdef extern from *:
    """
    #if defined(__x86_64__)
    #define vmcore_relax() __builtin_ia32_pause()
    #else
    #define vmcore_relax() ((void)0)
    #endif
    """
    void vmcore_relax() nogil


cdef void park_leave(Hart *hart) noexcept nogil:
    # ORDER: all that was done to the hart comes before; and `busy` before `hold` is looked at, so that a holder that
    # saw the hart busy is woken.
    vmcore_swap32(&hart.busy, 0)
    if vmcore_look32(&hart.hold):
        vmcore_futex_wake(&hart.busy)


cdef void park_enter(Hart *hart) noexcept nogil:
    while True:
        # ORDER: of `busy` here and `hold` there, each set before the other is looked at, one side sees the other's.
        vmcore_swap32(&hart.busy, 1)
        if not vmcore_look32(&hart.hold):
            return
        park_leave(hart)
        vmcore_futex_wait(&hart.hold, 1, HELD_NS)


cdef void park_sleep(Hart *hart, uint64_t ns) noexcept nogil:
    # ORDER: `sleeping` is set before what the hart shall look at is looked at; pins_raise() does it the other way.
    vmcore_swap32(&hart.pins.sleeping, 1)
    if not (vmcore_look32(&hart.pins.exit_req) or vmcore_look32(&hart.sys.over) or vmcore_look32(&hart.sys.request)):
        vmcore_futex_wait(&hart.pins.sleeping, 1, ns)
    # ORDER: counted before it is seen to be awake, and before it does anything.
    vmcore_add32(&hart.sys.woken, 1)
    vmcore_swap32(&hart.pins.sleeping, 0)


cdef void park_hold(Hart *hart) noexcept nogil:
    cdef uint32_t spins = 0
    vmcore_swap32(&hart.hold, 1)
    if vmcore_look32(&hart.busy):
        pins_raise(&hart.pins)
    while vmcore_look32(&hart.busy):
        spins += 1
        if spins < SPINS:
            vmcore_relax()
        else:
            # The hart may have overwritten the bit that asks it to leave (defs.pxd): ask again.
            vmcore_futex_wait(&hart.busy, 1, RAISE_AGAIN_NS)
            pins_raise(&hart.pins)


cdef void park_release(Hart *hart) noexcept nogil:
    # ORDER: release: what was done to the hart is seen by its thread.
    vmcore_store32(&hart.hold, 0)
    vmcore_futex_wake(&hart.hold)
    # It may have been given something to do while it slept.
    pins_raise(&hart.pins)
