"""16550A UART: registers with 16-byte FIFOs towards the guest, two byte queues towards the host."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.defs cimport vmcore_load32, wire_set
from vmcore._fast.dev.bus cimport CompiledDevice
from vmcore._fast.dev.declared import checked, data, uint, uints
from vmcore.errors import DeviceError

cdef enum:
    REGION = 0x100
    # Registers
    RBR_THR = 0
    IER = 1
    IIR_FCR = 2
    LCR = 3
    MCR = 4
    LSR = 5
    MSR = 6
    SCR = 7
    # Bits
    IER_RDI = 1
    IER_THRI = 2
    IER_RLSI = 4
    IER_MSI = 8
    IIR_NONE = 1
    IIR_MSI = 0
    IIR_THRI = 2
    IIR_RDI = 4
    IIR_RLSI = 6
    IIR_TIMEOUT = 12
    FCR_ENABLE = 1
    FCR_CLEAR_RX = 2
    FCR_CLEAR_TX = 4
    LCR_DLAB = 0x80
    MCR_LOOP = 0x10
    LSR_DR = 1
    LSR_OE = 2
    LSR_BI = 0x10
    LSR_THRE = 0x20
    LSR_TEMT = 0x40
    LSR_FIFO_ERROR = 0x80
    LSR_ERRORS = 0x1E
    # CTS, DSR and DCD of a cable that is plugged in.
    CABLE = 0xB0
    MCR_RESET = 8
    DLL_RESET = 12
    BREAK_CHAR = 0x100


cdef uint32_t capacity(const UartState *s) noexcept nogil:
    return UART_FIFO if s.fcr & FCR_ENABLE else 1


cdef uint32_t trigger(const UartState *s) noexcept nogil:
    """Return how many characters raise the data interrupt (FCR bits 6 and 7)."""
    if not s.fcr & FCR_ENABLE or s.fcr >> 6 == 0:
        return 1
    if s.fcr >> 6 == 1:
        return 4
    return 8 if s.fcr >> 6 == 2 else 14


cdef uint8_t lines(const UartState *s) noexcept nogil:
    """Return MSR bits 4 to 7: the cable's, or in loopback the outputs RTS, DTR, OUT1, OUT2 as CTS, DSR, RI, DCD."""
    if not s.mcr & MCR_LOOP:
        return CABLE
    return <uint8_t>((s.mcr & 2) << 3 | (s.mcr & 1) << 5 | (s.mcr & 0xC) << 4)


cdef uint8_t line_status(const UartState *s) noexcept nogil:
    cdef uint8_t value = s.lsr_error
    cdef uint32_t i
    if s.fifo_count:
        value |= LSR_DR
    # A driver that saw THRE writes a whole FIFO without looking again, so there is room for one.
    if not s.tx_full:
        value |= LSR_THRE | LSR_TEMT
    if s.fcr & FCR_ENABLE:
        if value & LSR_BI:
            value |= LSR_FIFO_ERROR
        for i in range(s.fifo_count):
            if s.fifo[(s.fifo_head + i) % UART_FIFO] & BREAK_CHAR:
                value |= LSR_FIFO_ERROR
    return value


cdef uint8_t cause(const UartState *s) noexcept nogil:
    """Return the interrupt identification by priority, without the FIFO bits."""
    if s.ier & IER_RLSI and s.lsr_error:
        return IIR_RLSI
    if s.ier & IER_RDI and s.fifo_count:
        # Characters have no duration here, so those below the trigger level have timed out already.
        return IIR_RDI if s.fifo_count >= trigger(s) else IIR_TIMEOUT
    if s.ier & IER_THRI and s.thre_pending:
        return IIR_THRI
    if s.ier & IER_MSI and s.msr_delta:
        return IIR_MSI
    return IIR_NONE


cdef void drive(UartState *s) noexcept nogil:
    cdef uint8_t level = cause(s) != IIR_NONE
    if level != s.irq_level:
        s.irq_level = level
        wire_set(s.irq, level)


cdef void show_top(UartState *s) noexcept nogil:
    """A character's error shows in LSR when it reaches the top of the FIFO; the mark is used up by that."""
    if s.fifo_count and s.fifo[s.fifo_head] & BREAK_CHAR:
        s.lsr_error |= LSR_BI
        s.fifo[s.fifo_head] = 0


cdef void receive(UartState *s, uint16_t c) noexcept nogil:
    """A character arrives from the line; without room for it there is an overrun, as on the chip."""
    if s.fifo_count >= capacity(s):
        s.lsr_error |= LSR_OE
        return
    s.fifo[(s.fifo_head + s.fifo_count) % UART_FIFO] = c
    s.fifo_count += 1
    show_top(s)


cdef void refill(UartState *s) noexcept nogil:
    """Move host characters into the FIFO as far as it has room. In loopback the line is cut."""
    if s.mcr & MCR_LOOP:
        return
    while s.queue_count and s.fifo_count < capacity(s):
        receive(s, s.queue[s.queue_head])
        s.queue_head = (s.queue_head + 1) % UART_QUEUE
        s.queue_count -= 1


cdef void transmit(UartState *s, uint8_t c) noexcept nogil:
    # Writing THR takes the interrupt back; the character is gone at once, so it is raised again.
    s.thre_pending = 0
    if s.mcr & MCR_LOOP:
        receive(s, c)
    elif s.tx_pending >= UART_OUT:
        s.overruns += 1
    else:
        s.out[(s.out_head + s.tx_pending) % UART_OUT] = c
        s.tx_pending += 1
        s.tx_full = s.tx_pending > UART_OUT - UART_FIFO
    s.thre_pending = not s.tx_full


cdef uint8_t pop(UartState *s) noexcept nogil:
    cdef uint8_t c
    if not s.fifo_count:
        return 0
    c = <uint8_t>s.fifo[s.fifo_head]
    s.fifo_head = (s.fifo_head + 1) % UART_FIFO
    s.fifo_count -= 1
    show_top(s)
    refill(s)
    return c


cdef void control_fifo(UartState *s, uint8_t value) noexcept nogil:
    if (value ^ s.fcr) & FCR_ENABLE or (value & FCR_ENABLE and value & FCR_CLEAR_RX):
        # Turning the FIFOs on or off empties them.
        s.fifo_count = 0
    if (value ^ s.fcr) & FCR_ENABLE or (value & FCR_ENABLE and value & FCR_CLEAR_TX):
        # The transmitter's is always empty, but drivers know that emptying it raises its interrupt.
        s.thre_pending = not s.tx_full
    # The other bits count only together with the enable bit.
    s.fcr = (value & 0xC9) if value & FCR_ENABLE else 0
    refill(s)


cdef void control_modem(UartState *s, uint8_t value) noexcept nogil:
    cdef uint8_t old = lines(s)
    cdef uint8_t changed
    s.mcr = value & 0x1F
    changed = old ^ lines(s)
    # DCTS, DDSR, DDCD on any change; TERI only when RI ends.
    s.msr_delta |= (changed >> 4) & 0xB
    if changed & 0x40 and old & 0x40:
        s.msr_delta |= 4
    refill(s)


cdef uint64_t mmio_read(void *dev, uint64_t off, uint32_t size) noexcept nogil:
    # Registers are bytes; a wider read sees the addressed one in its low byte.
    cdef UartState *s = <UartState *>dev
    cdef uint8_t value = 0
    if off == RBR_THR:
        value = s.dll if s.lcr & LCR_DLAB else pop(s)
    elif off == IER:
        value = s.dlm if s.lcr & LCR_DLAB else s.ier
    elif off == IIR_FCR:
        value = cause(s)
        if value == IIR_THRI:
            s.thre_pending = 0
        if s.fcr & FCR_ENABLE:
            value |= 0xC0
    elif off == LCR:
        value = s.lcr
    elif off == MCR:
        value = s.mcr
    elif off == LSR:
        value = line_status(s)
        s.lsr_error = 0
    elif off == MSR:
        value = lines(s) | s.msr_delta
        s.msr_delta = 0
    elif off == SCR:
        value = s.scr
    drive(s)
    return value


cdef void mmio_write(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef UartState *s = <UartState *>dev
    cdef uint8_t v = <uint8_t>value
    if off == RBR_THR:
        if s.lcr & LCR_DLAB:
            s.dll = v
        else:
            transmit(s, v)
    elif off == IER:
        if s.lcr & LCR_DLAB:
            s.dlm = v
        else:
            # Enabling the interrupt while the transmitter is empty raises it; disabling forgets it.
            if (v ^ s.ier) & IER_THRI:
                s.thre_pending = v & IER_THRI and not s.tx_full
            s.ier = v & 0x0F
    elif off == IIR_FCR:
        control_fifo(s, v)
    elif off == LCR:
        s.lcr = v
    elif off == MCR:
        control_modem(s, v)
    elif off == SCR:
        s.scr = v
    drive(s)


cdef class Uart(CompiledDevice):
    """ns16550A with registers of one byte (TI PC16550D), as on QEMU's ``virt``.

    Transmission takes no time: a byte written to THR is in the host's buffer at once. When that buffer (64 KiB) has
    less than a FIFO's room left, THRE stays off and :attr:`full` is set until the host has called :meth:`take`; so a
    driver that looks at THRE loses nothing, and what another writes beyond that is counted in :attr:`overruns`.
    """

    def __cinit__(self):
        self.st.irq = &self.irq
        self.mmio_read = mmio_read
        self.mmio_write = mmio_write
        self.dev = &self.st
        self.size = REGION
        self.st.mcr = MCR_RESET
        self.st.dll = DLL_RESET

    def push(self, const uint8_t[::1] chars not None):
        """Give characters to the guest and return how many were accepted: at most :attr:`room`."""
        cdef uint32_t n, i
        self.begin()
        n = UART_QUEUE - self.st.queue_count
        if chars.shape[0] < n:
            n = <uint32_t>chars.shape[0]
        for i in range(n):
            self.st.queue[(self.st.queue_head + self.st.queue_count) % UART_QUEUE] = chars[i]
            self.st.queue_count += 1
        refill(&self.st)
        drive(&self.st)
        self.end()
        return n

    def send_break(self):
        """Send a BREAK after what was pushed before; return False when there is no room for it."""
        cdef bint fits
        self.begin()
        fits = self.st.queue_count < UART_QUEUE
        if fits:
            self.st.queue[(self.st.queue_head + self.st.queue_count) % UART_QUEUE] = BREAK_CHAR
            self.st.queue_count += 1
            refill(&self.st)
            drive(&self.st)
        self.end()
        return fits

    def take(self):
        """Return what the guest has transmitted since the last call, as bytes."""
        # Meanwhile there may be more, never less: only this takes any. What comes later is for the next call.
        cdef uint32_t first = UART_OUT - self.st.out_head
        cdef uint32_t n = vmcore_load32(&self.st.tx_pending)
        cdef bytes out
        if n == 0:
            return b""
        if n <= first:
            first = n
        out = PyBytes_FromStringAndSize(NULL, n)
        self.begin()
        memcpy(PyBytes_AS_STRING(out), &self.st.out[self.st.out_head], first)
        # When the ring wrapped, the rest is at its start.
        memcpy(PyBytes_AS_STRING(out) + first, self.st.out, n - first)
        self.st.out_head = (self.st.out_head + n) % UART_OUT
        self.st.tx_pending -= n
        if self.st.tx_full and self.st.tx_pending <= UART_OUT - UART_FIFO:
            self.st.tx_full = 0
            self.st.thre_pending = 1
            drive(&self.st)
        self.end()
        return out

    @property
    def room(self):
        """int: how many characters :meth:`push` accepts now."""
        return UART_QUEUE - self.st.queue_count

    @property
    def unread(self):
        """int: pushed characters that the guest has not read yet, those in the FIFO included."""
        return self.st.queue_count + self.st.fifo_count

    @property
    def waiting(self):
        """int: transmitted bytes that :meth:`take` would return."""
        return self.st.tx_pending

    @property
    def full(self):
        """bool: the guest is held back until the host takes its output."""
        return bool(self.st.tx_full)

    @property
    def full_address(self):
        """int: host address of the 32-bit word behind :attr:`full`; for the core to watch."""
        return <uint64_t>&self.st.tx_full

    @property
    def waiting_address(self):
        """int: host address of the 32-bit word behind :attr:`waiting`; for the core to watch."""
        return <uint64_t>&self.st.tx_pending

    @property
    def overruns(self):
        """int: bytes lost because the guest wrote while THRE was off."""
        return self.st.overruns

    def reset(self):
        """Return the registers to their state after power-on. The host's two queues keep their bytes."""
        cdef UartState *s = &self.st
        s.ier = s.fcr = s.lcr = s.msr_delta = s.scr = s.dlm = s.lsr_error = s.thre_pending = 0
        s.mcr = MCR_RESET
        s.dll = DLL_RESET
        s.fifo_count = 0
        refill(s)
        drive(s)

    def save(self):
        """Return the whole state, with the characters that wait in either direction."""
        cdef UartState *s = &self.st
        cdef uint32_t i
        out = bytes([s.out[(s.out_head + i) % UART_OUT] for i in range(s.tx_pending)])
        return {
            "ier": s.ier,
            "fcr": s.fcr,
            "lcr": s.lcr,
            "mcr": s.mcr,
            "msr_delta": s.msr_delta,
            "scr": s.scr,
            "dll": s.dll,
            "dlm": s.dlm,
            "lsr_error": s.lsr_error,
            "thre_pending": s.thre_pending,
            "fifo": [s.fifo[(s.fifo_head + i) % UART_FIFO] for i in range(s.fifo_count)],
            "queue": [s.queue[(s.queue_head + i) % UART_QUEUE] for i in range(s.queue_count)],
            "out": out,
            "overruns": s.overruns,
        }

    def load(self, state):
        """Take the state that :meth:`save` returned and drive the interrupt wire from it."""
        cdef UartState *s = &self.st
        cdef uint32_t i
        cdef bytes out
        byte = uint(0xFF)
        good = checked(
            "Uart",
            state,
            {
                "ier": uint(0xF),
                "fcr": byte,
                "lcr": byte,
                "mcr": uint(0x1F),
                "msr_delta": uint(0xF),
                "scr": byte,
                "dll": byte,
                "dlm": byte,
                "lsr_error": byte,
                "thre_pending": uint(1),
                "fifo": uints(UART_FIFO, BREAK_CHAR, fewer=True),
                "queue": uints(UART_QUEUE, BREAK_CHAR, fewer=True),
                "out": data(UART_OUT),
                "overruns": uint(2**64 - 1),
            },
        )
        fcr, fifo = good["fcr"], good["fifo"]
        if fcr & ~0xC9 or (fcr and not fcr & FCR_ENABLE) or good["lsr_error"] & ~LSR_ERRORS:
            raise DeviceError(
                f"the state of a Uart has impossible bits: fcr {fcr:#x}, lsr_error {good['lsr_error']:#x}"
            )
        if (len(fifo) > 1 and not fcr & FCR_ENABLE) or fifo[:1] == [BREAK_CHAR]:
            raise DeviceError(f"the state of a Uart has an impossible FIFO of {len(fifo)} characters for fcr {fcr:#x}")
        out = good["out"]
        s.ier = good["ier"]
        s.fcr = fcr
        s.lcr = good["lcr"]
        s.mcr = good["mcr"]
        s.msr_delta = good["msr_delta"]
        s.scr = good["scr"]
        s.dll = good["dll"]
        s.dlm = good["dlm"]
        s.lsr_error = good["lsr_error"]
        s.thre_pending = good["thre_pending"]
        s.overruns = good["overruns"]
        s.fifo_head = s.queue_head = s.out_head = 0
        s.fifo_count = <uint32_t>len(fifo)
        for i in range(s.fifo_count):
            s.fifo[i] = fifo[i]
        s.queue_count = <uint32_t>len(good["queue"])
        for i in range(s.queue_count):
            s.queue[i] = good["queue"][i]
        s.tx_pending = <uint32_t>len(out)
        memcpy(s.out, PyBytes_AS_STRING(out), s.tx_pending)
        s.tx_full = s.tx_pending > UART_OUT - UART_FIFO
        refill(s)
        s.irq_level = cause(s) != IIR_NONE
        wire_set(s.irq, s.irq_level)
