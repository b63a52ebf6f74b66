# What a compiled device is to the machine: two functions, an interrupt wire and a place on the clock.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport (
    Clock, HartPins, IrqWire, Timer, mmio_read_t, mmio_write_t, timer_fire_t, vmcore_lock, vmcore_unlock)

cdef class Irq:
    # A handle on one interrupt wire, callable from Python: irq(True) raises it. Keeps the sink alive.
    cdef IrqWire wire
    cdef object owner

cdef class Pins:
    # A handle on the interrupt inputs of one hart. Keeps the hart alive. Made from Python it has pins of its own.
    cdef HartPins *pins
    cdef HartPins own
    cdef object owner

cdef class ClockHandle:
    # The machine's clock: the one Clock of a machine lives in here.
    cdef Clock state
    cdef Clock *clock
    cdef int new_timer(self, timer_fire_t fire, void *dev, uint32_t arg) except -1

cdef class CompiledDevice:
    # Base of the devices that run inside the run loop. The functions run one at a time: in one thread, or (parallel
    # harts) under `lock`, which is that of the clock of the machine it is attached to. What Python calls while harts
    # run takes it too, and then does nothing but C until it gives it back: no object is made that could set off the
    # garbage collector, and with it other code that wants the lock.
    # A subclass sets mmio_read/mmio_write in __cinit__; `dev` is what they get (normally <void *>self).
    cdef mmio_read_t mmio_read
    cdef mmio_write_t mmio_write
    cdef void *dev
    cdef readonly uint64_t size
    cdef IrqWire irq
    cdef object irq_owner
    cdef uint32_t own_lock
    cdef uint32_t *lock
    cdef ClockHandle lock_owner
    cdef void share_lock(self, ClockHandle clock) noexcept
    cdef inline void begin(self) noexcept:
        vmcore_lock(self.lock)
    cdef inline void end(self) noexcept:
        vmcore_unlock(self.lock)
