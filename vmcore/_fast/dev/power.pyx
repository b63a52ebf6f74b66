"""The test finisher: how a guest ends or restarts its machine."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport pins_set, vmcore_store32
from vmcore._fast.dev.bus cimport CompiledDevice, Pins
from vmcore._fast.dev.declared import checked, uint
from vmcore.errors import DeviceError

cdef enum:
    REGION = 0x1000
    WRITE_FAIL = 0x3333
    WRITE_PASS = 0x5555
    WRITE_RESET = 0x7777


cdef uint64_t mmio_read(void *dev, uint64_t off, uint32_t size) noexcept nogil:
    return 0


cdef void mmio_write(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef PowerState *s = <PowerState *>dev
    cdef uint32_t what = value & 0xFFFF
    cdef uint32_t request = POWER_NONE
    cdef uint32_t i
    if off != 0 or (size != 2 and size != 4) or s.request != POWER_NONE:
        return
    if what == WRITE_PASS:
        request = POWER_OFF
    elif what == WRITE_FAIL:
        request = POWER_FAIL
        s.code = <uint32_t>(value >> 16) & 0xFFFF if size == 4 else 0
    elif what == WRITE_RESET:
        request = POWER_RESET
    if request != POWER_NONE:
        # ORDER: the code is written before this release store shows the request, and that before the harts look.
        vmcore_store32(&s.request, request)
        for i in range(s.nharts):
            pins_set(s.pins[i], 0, True)


cdef class PowerControl(CompiledDevice):
    """SiFive test finisher, which also serves ``syscon-poweroff`` and ``syscon-reboot``, as on QEMU's ``virt``.

    A write of 2 or 4 bytes to offset 0: 0x5555 powers off, 0x3333 powers off with the exit status in bits 16 to 31,
    0x7777 resets. The first request stays until the host calls :meth:`clear`.

    Parameters
    ----------
    pins : list of Pins, optional
        Harts that are asked to leave native code when a request comes.

    Raises
    ------
    DeviceError
        More than 8 harts.
    """

    def __cinit__(self, pins=()):
        cdef uint32_t i
        cdef Pins one
        self.pins = list(pins)
        if len(self.pins) > POWER_MAX_HARTS:
            raise DeviceError(f"a PowerControl for {len(self.pins)} harts: allowed are up to {POWER_MAX_HARTS}")
        for i in range(<uint32_t>len(self.pins)):
            one = self.pins[i]
            self.st.pins[i] = one.pins
        self.st.nharts = <uint32_t>len(self.pins)
        self.mmio_read = mmio_read
        self.mmio_write = mmio_write
        self.dev = &self.st
        self.size = REGION

    cdef uint32_t *request_word(self) noexcept:
        return &self.st.request

    @property
    def watch_address(self):
        """int: host address of the 32-bit word that is not 0 while there is a request; for the core to watch."""
        return <uint64_t>&self.st.request

    @property
    def request(self):
        """str or None: ``"off"``, ``"fail"``, ``"reset"``, or None while the guest asked for nothing."""
        return (None, "off", "fail", "reset")[self.st.request]

    @property
    def code(self):
        """int: the exit status that goes with ``"fail"``, 0 to 65535; else 0."""
        return self.st.code

    def clear(self):
        """Forget the request, after the host has served it."""
        self.begin()
        self.st.request = POWER_NONE
        self.st.code = 0
        self.end()

    def reset(self):
        """Return to the state after power-on: no request."""
        self.clear()

    def save(self):
        """Return the whole state."""
        return {"request": self.st.request, "code": self.st.code}

    def load(self, state):
        """Take the state that :meth:`save` returned."""
        good = checked("PowerControl", state, {"request": uint(POWER_RESET), "code": uint(0xFFFF)})
        self.st.code = good["code"]
        self.st.request = good["request"]
