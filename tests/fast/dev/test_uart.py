"""The UART as drivers and as the host see it."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.dev.bus import Pins
from vmcore._fast.dev.plic import Plic
from vmcore._fast.dev.uart import Uart
from vmcore.errors import DeviceError

RBR = THR = DLL = 0
IER = DLM = 1
IIR = FCR = 2
LCR, MCR, LSR, MSR, SCR = 3, 4, 5, 6, 7
RDI, THRI, RLSI, MSI = 1, 2, 4, 8
DR, OE, BI, THRE, TEMT, FIFOE = 1, 2, 0x10, 0x20, 0x40, 0x80


class Driver:
    """A UART on a PLIC of its own, so that the wire can be seen."""

    def __init__(self, state=None):
        self.plic = Plic([Pins()])
        self.uart = Uart()
        self.uart.connect(self.plic.line(10))
        if state is not None:
            self.uart.load(state)

    @property
    def irq(self):
        return bool(self.plic.save()["level"][0] >> 10 & 1)

    def read(self, register):
        return self.uart.read(register, 1)

    def write(self, register, value):
        self.uart.write(register, 1, value)

    def drain(self):
        out = bytearray()
        while self.read(LSR) & DR:
            out.append(self.read(RBR))
        return bytes(out)


def test_state_after_power_on():
    d = Driver()
    assert [d.read(r) for r in range(8)] == [0, 0, 1, 0, 8, THRE | TEMT, 0xB0, 0]
    assert not d.irq


def test_polled_output_reaches_the_host():
    d = Driver()
    for c in b"hello":
        assert d.read(LSR) & THRE
        d.write(THR, c)
    assert d.uart.waiting == 5
    assert d.uart.take() == b"hello"
    assert d.uart.take() == b""


def test_polled_input_reaches_the_guest():
    d = Driver()
    assert d.uart.push(b"abc") == 3
    assert d.uart.unread == 3
    assert d.drain() == b"abc"
    assert d.uart.unread == 0
    assert d.read(RBR) == 0


def test_scratch_and_divisor_registers():
    d = Driver()
    d.write(SCR, 0xA5)
    assert d.read(SCR) == 0xA5
    d.write(LCR, 0x83)
    d.write(DLL, 3)
    d.write(DLM, 1)
    assert (d.read(DLL), d.read(DLM)) == (3, 1)
    d.write(LCR, 3)
    assert (d.read(RBR), d.read(IER)) == (0, 0)
    assert d.uart.take() == b""


def test_a_16550a_is_recognised():
    """Linux's probe: scratch, loopback modem lines, then the FIFO bits of IIR."""
    d = Driver()
    d.write(IER, 0)
    assert d.read(IER) & 0x0F == 0
    d.write(IER, 0xFF)
    assert d.read(IER) == 0x0F, "bits 4 to 7 belong to later chips"
    d.write(IER, 0)
    d.write(MCR, 0x10 | 0x0A)
    assert d.read(MSR) & 0xF0 == 0x90
    d.write(MCR, 8)
    d.write(FCR, 1)
    assert d.read(IIR) >> 6 == 3
    d.write(FCR, 0x20 | 1)
    assert d.read(IIR) & 0x20 == 0, "not a 16750"


def test_thre_interrupt_comes_with_enabling_and_goes_with_reading_iir():
    d = Driver()
    for _ in range(2):
        d.write(IER, THRI)
        assert d.irq
        assert d.read(IIR) == 2
        assert not d.irq
        assert d.read(IIR) == 1
        d.write(IER, 0)
    d.write(IER, THRI)
    d.write(IER, 0)
    assert not d.irq


def test_thre_interrupt_comes_again_after_each_byte():
    d = Driver()
    d.write(IER, THRI)
    sent = b"interrupt driven"
    for c in sent:
        assert d.irq
        assert d.read(IIR) == 2
        d.write(THR, c)
    assert d.irq
    assert d.uart.take() == sent


def test_reading_iir_for_another_cause_keeps_thre():
    d = Driver()
    d.write(IER, RDI | THRI)
    d.uart.push(b"x")
    assert d.read(IIR) == 4
    assert d.read(RBR) == ord("x")
    assert d.read(IIR) == 2
    assert d.read(IIR) == 1


def test_receive_interrupt_without_fifo():
    d = Driver()
    d.write(IER, RDI)
    assert not d.irq
    d.uart.push(b"ab")
    assert d.irq
    assert d.read(IIR) == 4
    assert d.read(RBR) == ord("a")
    assert d.irq
    d.read(RBR)
    assert not d.irq


@pytest.mark.parametrize(("bits", "level"), [(0, 1), (0x40, 4), (0x80, 8), (0xC0, 14)])
def test_trigger_levels_and_timeout(bits, level):
    d = Driver()
    d.write(FCR, 1 | bits)
    d.write(IER, RDI)
    d.uart.push(b"x" * level)
    assert d.read(IIR) == 0xC4
    d.read(RBR)
    if level > 1:
        assert d.read(IIR) == 0xCC, "what is left below the trigger level times out"
        assert d.irq
    else:
        assert d.read(IIR) == 0xC1
    d.drain()
    assert not d.irq


def test_interrupt_priorities():
    d = Driver()
    d.write(FCR, 1)
    d.write(IER, RDI | THRI | RLSI | MSI)
    d.uart.send_break()
    d.write(MCR, 0x10)
    seen = []
    for cleared_by in (LSR, RBR, IIR, MSR):
        seen.append(d.read(IIR))
        if cleared_by != IIR:
            d.read(cleared_by)
    assert seen == [0xC6, 0xC4, 0xC2, 0xC0]
    assert d.read(IIR) == 0xC1


def test_fifo_reset_and_toggle_drop_only_what_is_in_the_fifo():
    d = Driver()
    d.write(FCR, 1)
    d.uart.push(bytes(range(40)))
    d.write(FCR, 3)
    assert d.uart.unread == 24
    assert d.read(RBR) == 16
    d.write(FCR, 0)
    assert d.read(RBR) == 33
    d.write(FCR, 2)
    assert d.drain() == bytes(range(34, 40)), "the clear bit counts only together with the enable bit"


def test_emptying_the_transmitter_raises_its_interrupt():
    d = Driver()
    d.write(FCR, 1)
    d.write(IER, THRI)
    assert d.read(IIR) == 0xC2
    assert not d.irq
    d.write(FCR, 5)
    assert d.irq
    assert d.read(IIR) == 0xC2


def test_nothing_of_a_long_paste_is_lost():
    d = Driver()
    d.write(FCR, 1)
    text = bytes(i % 251 for i in range(10_000))
    sent = 0
    got = b""
    while len(got) < len(text):
        room = d.uart.room
        n = d.uart.push(text[sent:])
        assert n == min(room, len(text) - sent)
        sent += n
        for _ in range(100):
            if d.read(LSR) & DR:
                got += bytes([d.read(RBR)])
    assert got == text


def test_full_output_holds_the_guest_back_and_counts_what_it_forces():
    d = Driver()
    d.write(FCR, 1)
    sent = 0
    while d.read(LSR) & THRE:
        for _ in range(16):
            d.write(THR, sent & 0xFF)
            sent += 1
    assert d.uart.full
    assert d.uart.overruns == 0
    assert d.read(LSR) & (THRE | TEMT) == 0
    d.write(IER, THRI)
    assert not d.irq
    while d.uart.overruns == 0:
        d.write(THR, sent & 0xFF)
        sent += 1
    assert sent == 65537
    out = d.uart.take()
    assert out == bytes(i & 0xFF for i in range(65536))
    assert not d.uart.full
    assert d.irq
    assert d.read(IIR) == 0xC2
    d.write(THR, 7)
    assert d.uart.take() == b"\x07"


def test_the_words_that_the_run_loop_watches():
    d = Driver()
    waiting, full = (ctypes.c_uint32.from_address(a) for a in (d.uart.waiting_address, d.uart.full_address))
    for i in range(65536):
        assert (waiting.value, full.value) == (i, i > 65520)
        d.write(THR, 0)
    d.uart.take()
    assert (waiting.value, full.value) == (0, 0)


def test_output_ring_wraps():
    d = Driver()
    for c in range(40_000):
        d.write(THR, c & 0xFF)
    d.uart.take()
    for c in range(40_000):
        d.write(THR, (c * 7) & 0xFF)
    assert d.uart.take() == bytes((c * 7) & 0xFF for c in range(40_000))


def test_loopback_returns_bytes_and_modem_lines():
    d = Driver()
    d.write(FCR, 1)
    d.uart.push(b"z")
    assert d.drain() == b"z"
    d.write(MCR, 0x10)
    d.read(MSR)
    d.uart.push(b"later")
    for c in b"loop":
        d.write(THR, c)
    assert d.drain() == b"loop"
    assert d.uart.take() == b""
    for out, line, delta in [(1, 0x20, 2), (2, 0x10, 1), (4, 0x40, 0), (8, 0x80, 8)]:
        d.write(MCR, 0x10 | out)
        assert d.read(MSR) == line | delta
        d.write(MCR, 0x10)
        assert d.read(MSR) == (delta or 4), "TERI tells only the end of RI"
    d.write(MCR, 8)
    assert d.drain() == b"later"


def test_loopback_overrun_shows_once():
    d = Driver()
    d.write(MCR, 0x10)
    d.write(IER, RLSI)
    d.write(THR, 1)
    assert not d.irq
    d.write(THR, 2)
    assert d.irq
    assert d.read(IIR) == 6
    assert d.read(LSR) & OE
    assert not d.irq
    assert not d.read(LSR) & OE
    assert d.read(RBR) == 1


def test_break_stays_in_order_with_characters():
    d = Driver()
    d.write(FCR, 1)
    d.write(IER, RDI | RLSI)
    d.uart.push(b"a")
    assert d.uart.send_break()
    d.uart.push(b"h")
    assert d.read(LSR) & (DR | BI | FIFOE) == DR | FIFOE
    assert d.read(RBR) == ord("a")
    assert d.read(IIR) == 0xC6
    assert d.read(LSR) & (DR | BI | FIFOE) == DR | BI | FIFOE
    assert d.read(LSR) & (DR | BI | FIFOE) == DR
    assert d.read(RBR) == 0
    assert d.read(RBR) == ord("h")


def test_a_break_needs_room():
    d = Driver()
    assert d.uart.push(bytes(5000)) == 4096
    assert d.uart.push(bytes(5000)) == 1
    assert d.uart.room == 0
    assert not d.uart.send_break()


def test_wider_accesses_touch_the_addressed_register():
    d = Driver()
    d.uart.write(SCR, 1, 0x55)
    d.uart.write(THR, 4, 0x11223341)
    assert d.uart.take() == b"A"
    assert d.uart.read(LSR, 4) == THRE | TEMT
    assert d.uart.read(4, 8) == 8
    assert d.uart.read(0x40, 4) == 0
    d.uart.write(0x40, 4, 0xFFFFFFFF)
    assert d.read(SCR) == 0x55


def test_reset_keeps_the_hosts_bytes():
    d = Driver()
    fresh = d.uart.save()
    d.write(THR, 65)
    d.write(FCR, 1)
    d.write(IER, 15)
    d.write(LCR, 0x83)
    d.write(DLM, 9)
    d.write(SCR, 9)
    d.write(MCR, 0)
    d.uart.reset()
    assert d.uart.save() == {**fresh, "out": b"A"}
    assert not d.irq


def test_moved_mid_operation_into_a_new_device():
    d = Driver()
    d.write(FCR, 0x81)
    d.write(IER, RDI | THRI | RLSI | MSI)
    d.write(SCR, 3)
    d.uart.push(bytes(range(10)))
    d.uart.send_break()
    d.uart.push(bytes(range(100)))
    for c in b"out":
        d.write(THR, c)
    for _ in range(4):
        d.read(RBR)
    e = Driver(d.uart.save())
    assert e.irq == d.irq
    assert e.uart.save() == d.uart.save()
    script = [IIR, LSR, RBR, IIR, MSR] * 60
    assert [d.read(r) for r in script] == [e.read(r) for r in script]
    assert d.uart.take() == e.uart.take() == b"out"
    assert d.irq == e.irq
    assert e.uart.save() == d.uart.save()


def test_a_bad_state_changes_nothing():
    d = Driver()
    d.write(THR, 65)
    before = d.uart.save()
    for change in (
        {"ier": 0x10},
        {"fcr": 0x02},
        {"fcr": 0xC0},
        {"lsr_error": 1},
        {"fifo": [1, 2]},
        {"fifo": [0x100]},
        {"fifo": [0x101]},
        {"fcr": 1, "fifo": [0] * 17},
        {"queue": [0] * 4097},
        {"out": "x"},
        {"out": bytes(65537)},
        {"thre_pending": 2},
    ):
        with pytest.raises(DeviceError):
            d.uart.load({**before, **change})
    assert d.uart.save() == before


steps = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 8), st.sampled_from([1, 2, 4, 8])),
    st.tuples(st.just("write"), st.integers(0, 8), st.integers(0, 255)),
    st.tuples(st.just("push"), st.binary(max_size=40), st.none()),
    st.tuples(st.just("break"), st.none(), st.none()),
    st.tuples(st.just("take"), st.none(), st.none()),
    st.tuples(st.just("move"), st.none(), st.none()),
)


@given(st.lists(steps, max_size=60))
def test_random_use_keeps_the_wire_equal_to_iir(program):
    d = Driver()
    for what, a, b in program:
        if what == "read":
            d.uart.read(a, b)
        elif what == "write":
            d.uart.write(a, 1, b)
        elif what == "push":
            assert d.uart.push(a) == len(a)
        elif what == "break":
            d.uart.send_break()
        elif what == "take":
            d.uart.take()
        else:
            old, d = d, Driver(d.uart.save())
            assert old.irq == d.irq
        assert d.irq == (Driver(d.uart.save()).read(IIR) & 1 == 0)
        assert d.uart.overruns == 0
    assert Driver(d.uart.save()).uart.save() == d.uart.save()
