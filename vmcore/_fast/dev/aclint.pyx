"""ACLINT SSWI: a supervisor sends software interrupts without going through machine mode."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport IRQ_SSIP, pins_set
from vmcore._fast.dev.bus cimport CompiledDevice, Pins
from vmcore._fast.dev.declared import checked
from vmcore.errors import DeviceError

cdef enum:
    REGION = 0x4000


cdef uint64_t mmio_read(void *dev, uint64_t off, uint32_t size) noexcept nogil:
    # SETSSIP registers always read 0: the pending bit is the hart's own.
    return 0


cdef void mmio_write(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef SswiState *s = <SswiState *>dev
    if size == 4 and off % 4 == 0 and off / 4 < s.nharts and value & 1:
        # An edge: the hart takes it over into mip.SSIP, where software clears it.
        pins_set(s.pins[off / 4], IRQ_SSIP, True)


cdef class Sswi(CompiledDevice):
    """ACLINT SSWI: writing 1 to word *n* raises SSIP of hart *n* once (RISC-V ACLINT 1.0, chapter 4).

    Parameters
    ----------
    pins : list of Pins
        The harts' interrupt inputs, 1 to 8; SSIP is set and never cleared from here.

    Raises
    ------
    DeviceError
        No hart, or more than 8.
    """

    def __cinit__(self, pins):
        cdef uint32_t i
        cdef Pins one
        self.pins = list(pins)
        if not 1 <= len(self.pins) <= SSWI_MAX_HARTS:
            raise DeviceError(f"an SSWI for {len(self.pins)} harts: allowed are 1 to {SSWI_MAX_HARTS}")
        for i in range(<uint32_t>len(self.pins)):
            one = self.pins[i]
            self.st.pins[i] = one.pins
        self.st.nharts = <uint32_t>len(self.pins)
        self.mmio_read = mmio_read
        self.mmio_write = mmio_write
        self.dev = &self.st
        self.size = REGION

    def reset(self):
        """Return to the state after power-on: the device holds none, so this changes nothing."""

    def save(self):
        """Return the state, an empty dict: what was sent belongs to the harts."""
        return {}

    def load(self, state):
        """Check the state that :meth:`save` returned."""
        checked("Sswi", state, {})
