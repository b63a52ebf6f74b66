"""PLIC: the platform-level interrupt controller, with level-triggered gateways."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport IRQ_MEIP, IRQ_SEIP
from vmcore._fast.dev.bus cimport CompiledDevice, Irq, Pins
from vmcore._fast.dev.drive cimport pins_drive
from vmcore._fast.dev.declared import checked, uints
from vmcore.errors import DeviceError

cdef extern from *:
    uint32_t ctz "__builtin_ctz"(uint32_t x) nogil

cdef enum:
    REGION = 0x600000
    PENDING = 0x1000
    ENABLE = 0x2000
    ENABLE_STRIDE = 0x80
    CONTEXT = 0x200000
    CONTEXT_STRIDE = 0x1000
    MAX_PRIORITY = 7


cdef inline bint has(const uint32_t *words, uint32_t n) noexcept nogil:
    return (words[n >> 5] >> (n & 31)) & 1


cdef uint32_t best(const PlicState *s, uint32_t context) noexcept nogil:
    """Return the pending source that `context` would get: highest priority, then lowest number; 0 is none."""
    cdef uint32_t i, n, ready
    cdef uint32_t found = 0
    cdef uint8_t top = 0
    for i in range(<uint32_t>PLIC_WORDS):
        ready = s.pending[i] & s.enable[context][i]
        while ready:
            n = i * 32 + ctz(ready)
            ready &= ready - 1
            if s.priority[n] > top:
                top = s.priority[n]
                found = n
    return found


cdef void drive(PlicState *s) noexcept nogil:
    """Drive MEIP and SEIP of every hart from what is pending."""
    cdef uint32_t context
    cdef bint level
    for context in range(s.ncontexts):
        # Priority 0 never interrupts: a source of priority 0 is not above any threshold.
        level = s.priority[best(s, context)] > s.threshold[context]
        pins_drive(s.pins[context >> 1], IRQ_SEIP if context & 1 else IRQ_MEIP, level)


cdef void wire(void *sink, uint32_t n, bint level) noexcept nogil:
    """Input `n` changed. A rising level passes the gateway unless the source is in flight; a falling one stays."""
    cdef PlicState *s = <PlicState *>sink
    cdef uint32_t bit = <uint32_t>1 << (n & 31)
    cdef uint32_t i = n >> 5
    if not level:
        s.level[i] &= ~bit
        return
    s.level[i] |= bit
    if not (s.pending[i] | s.flight[i]) & bit:
        s.pending[i] |= bit
        drive(s)


cdef uint32_t claim(PlicState *s, uint32_t context) noexcept nogil:
    """Hand the best source to `context`; the threshold does not matter for a claim (PLIC 1.0.0, chapter 9)."""
    cdef uint32_t n = best(s, context)
    if n:
        s.pending[n >> 5] &= ~(<uint32_t>1 << (n & 31))
        s.flight[n >> 5] |= <uint32_t>1 << (n & 31)
        drive(s)
    return n


cdef void complete(PlicState *s, uint32_t context, uint32_t n) noexcept nogil:
    """Open the gateway of source `n` again; ignored unless it is enabled for `context` and in flight."""
    if n > s.nsources or not has(s.enable[context], n) or not has(s.flight, n):
        return
    s.flight[n >> 5] &= ~(<uint32_t>1 << (n & 31))
    if has(s.level, n):
        s.pending[n >> 5] |= <uint32_t>1 << (n & 31)
        drive(s)


cdef uint64_t mmio_read(void *dev, uint64_t off, uint32_t size) noexcept nogil:
    cdef PlicState *s = <PlicState *>dev
    cdef uint64_t context
    if size != 4 or off % 4:
        return 0
    if off < PENDING:
        return s.priority[off / 4] if off / 4 <= s.nsources else 0
    if off < ENABLE:
        return s.pending[(off - PENDING) / 4] if off - PENDING < PLIC_WORDS * 4 else 0
    if off < CONTEXT:
        context = (off - ENABLE) / ENABLE_STRIDE
        off = off % ENABLE_STRIDE
        return s.enable[context][off / 4] if context < s.ncontexts and off < PLIC_WORDS * 4 else 0
    context = (off - CONTEXT) / CONTEXT_STRIDE
    off = off % CONTEXT_STRIDE
    if context >= s.ncontexts or off > 4:
        return 0
    return s.threshold[context] if off == 0 else claim(s, <uint32_t>context)


cdef void mmio_write(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef PlicState *s = <PlicState *>dev
    cdef uint64_t context
    if size != 4 or off % 4:
        return
    if off < PENDING:
        if 0 < off / 4 <= s.nsources:
            s.priority[off / 4] = value & MAX_PRIORITY
            drive(s)
    elif off < ENABLE:
        return
    elif off < CONTEXT:
        context = (off - ENABLE) / ENABLE_STRIDE
        off = off % ENABLE_STRIDE
        if context < s.ncontexts and off < PLIC_WORDS * 4:
            s.enable[context][off / 4] = <uint32_t>value & s.valid[off / 4]
            drive(s)
    else:
        context = (off - CONTEXT) / CONTEXT_STRIDE
        off = off % CONTEXT_STRIDE
        if context >= s.ncontexts or off > 4:
            return
        if off == 0:
            s.threshold[context] = value & MAX_PRIORITY
            drive(s)
        else:
            complete(s, <uint32_t>context, <uint32_t>value)


cdef class Plic(CompiledDevice):
    """Platform-level interrupt controller (RISC-V PLIC 1.0.0) with level-triggered gateways.

    Two contexts a hart: ``2 * hart`` drives MEIP, ``2 * hart + 1`` SEIP. Priorities and thresholds are 0 to 7.
    Registers take aligned 4-byte accesses; others read 0 and write nothing, as reserved addresses do.

    Parameters
    ----------
    pins : list of Pins
        The harts' interrupt inputs, 1 to 8.
    sources : int, default 96
        Number of interrupt sources, 1 to 127; source 0 does not exist.

    Raises
    ------
    DeviceError
        A number of harts or of sources that is not allowed.
    """

    def __cinit__(self, pins, sources=96):
        cdef uint32_t i
        cdef Pins one
        self.pins = list(pins)
        if not 1 <= len(self.pins) <= PLIC_MAX_HARTS:
            raise DeviceError(f"a PLIC for {len(self.pins)} harts: allowed are 1 to {PLIC_MAX_HARTS}")
        if type(sources) is not int or not 1 <= sources <= PLIC_MAX_SOURCES:
            raise DeviceError(f"a PLIC with {sources!r} sources: allowed are 1 to {PLIC_MAX_SOURCES}")
        for i in range(<uint32_t>len(self.pins)):
            one = self.pins[i]
            self.st.pins[i] = one.pins
        self.st.nsources = sources
        self.st.ncontexts = 2 * <uint32_t>len(self.pins)
        for i in range(1, self.st.nsources + 1):
            self.st.valid[i >> 5] |= <uint32_t>1 << (i & 31)
        self.mmio_read = mmio_read
        self.mmio_write = mmio_write
        self.dev = &self.st
        self.size = REGION

    @property
    def sources(self):
        """int: number of interrupt sources (``riscv,ndev``)."""
        return self.st.nsources

    cpdef Irq line(self, n):
        """Return the wire into source `n`. Devices that share a source must combine their levels themselves.

        Raises
        ------
        DeviceError
            There is no such source.
        """
        if type(n) is not int or not 1 <= n <= self.st.nsources:
            raise DeviceError(f"interrupt source {n!r}: this PLIC has sources 1 to {self.st.nsources}")
        cdef Irq irq = Irq()
        irq.wire.set = wire
        irq.wire.sink = &self.st
        irq.wire.n = n
        irq.owner = self
        return irq

    def reset(self):
        """Return to the state after power-on; a wire that is high is pending again at once."""
        cdef uint32_t i
        for i in range(<uint32_t>PLIC_WORDS):
            self.st.pending[i] = self.st.level[i]
        memset(self.st.flight, 0, sizeof(self.st.flight))
        memset(self.st.priority, 0, sizeof(self.st.priority))
        memset(self.st.enable, 0, sizeof(self.st.enable))
        memset(self.st.threshold, 0, sizeof(self.st.threshold))
        drive(&self.st)

    def save(self):
        """Return the whole state."""
        cdef uint32_t i, c
        return {
            "level": [self.st.level[i] for i in range(<uint32_t>PLIC_WORDS)],
            "pending": [self.st.pending[i] for i in range(<uint32_t>PLIC_WORDS)],
            "flight": [self.st.flight[i] for i in range(<uint32_t>PLIC_WORDS)],
            "priority": [self.st.priority[i] for i in range(self.st.nsources + 1)],
            "enable": [self.st.enable[c][i] for c in range(self.st.ncontexts) for i in range(<uint32_t>PLIC_WORDS)],
            "threshold": [self.st.threshold[c] for c in range(self.st.ncontexts)],
        }

    def load(self, state):
        """Take the state that :meth:`save` returned and drive the harts' inputs from it."""
        cdef uint32_t i, c
        n = self.st.ncontexts
        words = uints(PLIC_WORDS, 2**32 - 1)
        good = checked(
            "Plic",
            state,
            {
                "level": words,
                "pending": words,
                "flight": words,
                "priority": uints(self.st.nsources + 1, MAX_PRIORITY),
                "enable": uints(n * PLIC_WORDS, 2**32 - 1),
                "threshold": uints(n, MAX_PRIORITY),
            },
        )
        for i in range(<uint32_t>PLIC_WORDS):
            valid = self.st.valid[i]
            used = good["level"][i] | good["pending"][i] | good["flight"][i]
            for c in range(n):
                used |= good["enable"][c * PLIC_WORDS + i]
            waiting = good["pending"][i] ^ good["flight"][i]
            both = good["pending"][i] & good["flight"][i]
            if used & ~valid or both or good["level"][i] & ~waiting or good["priority"][0]:
                raise DeviceError(
                    f"the state of a Plic contradicts itself in the sources from {i * 32}: used {used:#x} of the "
                    f"existing {valid:#x}, both pending and in flight {both:#x}, or a high wire in neither",
                    hint="Load what save() of a Plic built with the same arguments returned",
                )
        for i in range(<uint32_t>PLIC_WORDS):
            self.st.level[i] = good["level"][i]
            self.st.pending[i] = good["pending"][i]
            self.st.flight[i] = good["flight"][i]
            for c in range(n):
                self.st.enable[c][i] = good["enable"][c * PLIC_WORDS + i]
        for i in range(self.st.nsources + 1):
            self.st.priority[i] = good["priority"][i]
        for c in range(n):
            self.st.threshold[c] = good["threshold"][c]
        drive(&self.st)
