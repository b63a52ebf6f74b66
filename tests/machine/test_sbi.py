"""The built-in firmware against the SBI specification 2.0, called as a supervisor calls it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore.errors import MemoryAccessError
from vmcore.machine.sbi.server import SbiServer
from vmcore.machine.sbi.words import MASK64, Firmware, ResetRequest

DRAM, SIZE = 0x8000_0000, 0x10000
BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, PMU = (
    0x10, 0x54494D45, 0x735049, 0x52464E43, 0x48534D, 0x53525354, 0x4442434E, 0x504D55,
)  # fmt: skip
SATP, SSTATUS, MIP, STIMECMP, MCOUNTINHIBIT = 0x180, 0x100, 0x344, 0x14D, 0x320
OK, NOT_SUPPORTED, INVALID_PARAM, INVALID_ADDRESS = 0, -2, -3, -5
ALREADY_AVAILABLE, ALREADY_STARTED, ALREADY_STOPPED, NO_SHMEM = -6, -7, -8, -9


class Memory:
    """RAM of one bank."""

    def __init__(self) -> None:
        self.data = bytearray(SIZE)

    def _at(self, gpa: int, n: int) -> int:
        if not DRAM <= gpa <= gpa + n <= DRAM + SIZE:
            raise MemoryAccessError(f"{gpa:#x}")
        return gpa - DRAM

    def read(self, gpa: int, n: int) -> bytes:
        at = self._at(gpa, n)
        return bytes(self.data[at : at + n])

    def write(self, gpa: int, data: bytes) -> None:
        at = self._at(gpa, len(data))
        self.data[at : at + len(data)] = data


class Core:
    """Registers, and a log of what was asked of the harts."""

    def __init__(self, nharts: int) -> None:
        self.memory = Memory()
        self.regs = [[0] * 32 for _ in range(nharts)]
        self.csrs: list[dict[int, int]] = [{} for _ in range(nharts)]
        self.log: list[tuple[object, ...]] = []

    def x(self, hart: int, index: int) -> int:
        return self.regs[hart][index]

    def set_x(self, hart: int, index: int, value: int) -> None:
        assert 0 <= value <= MASK64
        self.regs[hart][index] = value

    def csr_read(self, hart: int, number: int) -> int:
        return self.csrs[hart].get(number, 0)

    def csr_write(self, hart: int, number: int, value: int) -> bool:
        assert 0 <= value <= MASK64
        self.csrs[hart][number] = value
        return True

    def read_virt(self, hart: int, gva: int, n: int) -> bytes:
        return self.memory.read(gva, n)

    def hart_start(self, hart: int, pc: int, a0: int, a1: int, priv: int) -> None:
        self.log.append(("start", hart, pc, a0, a1, priv))

    def hart_interrupt(self, hart: int) -> None:
        self.csrs[hart][MIP] = self.csrs[hart].get(MIP, 0) | 1 << 1

    def hart_stop(self, hart: int) -> None:
        self.log.append(("stop", hart))

    def flush_tlb(self, hart: int, gva: int | None, asid: int | None) -> None:
        self.log.append(("flush", hart, gva, asid))

    def fence_i(self) -> None:
        self.log.append(("fence.i",))


class Console:
    def __init__(self) -> None:
        self.out = b""
        self.typed = b""

    def put(self, data: bytes) -> None:
        self.out += data

    def get(self, most: int) -> bytes:
        head, self.typed = self.typed[:most], self.typed[most:]
        return head


class Guest:
    """A supervisor on `nharts` harts, seen from its ecalls."""

    def __init__(self, nharts: int = 4, sstc: bool = True) -> None:
        self.core = Core(nharts)
        self.console = Console()
        self.server = SbiServer(Firmware(self.core, nharts, [(DRAM, SIZE)], self.console, sstc))
        self.server.restart(0)
        self.asked: ResetRequest | None = None

    def call(self, eid: int, fid: int = 0, *args: int, hart: int = 0) -> tuple[int, int]:
        regs = self.core.regs[hart]
        before = [(7 * i + 1) & MASK64 for i in range(32)]
        before[10:16] = [value & MASK64 for value in (*args, 0, 0, 0, 0, 0, 0)][:6]
        before[16:18] = [fid, eid]
        regs[:] = before
        self.asked = self.server.serve(hart)
        assert regs[:10] + regs[12:] == before[:10] + before[12:], "only a0 and a1 may change"
        return regs[10] - (regs[10] >> 63 << 64), regs[11]


@pytest.fixture
def guest() -> Guest:
    return Guest()


def test_base(guest: Guest) -> None:
    guest.core.csrs[0] = {0xF11: 1, 0xF12: 2, 0xF13: 3}
    assert guest.call(BASE, 0) == (OK, 2 << 24)
    assert guest.call(BASE, 1)[0] == OK and guest.call(BASE, 2)[0] == OK
    for eid in (BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, PMU, 0, 8):
        assert guest.call(BASE, 3, eid) == (OK, 1)
    assert guest.call(BASE, 3, 0x53555350) == (OK, 0)
    assert [guest.call(BASE, fid)[1] for fid in (4, 5, 6)] == [1, 2, 3]
    assert guest.call(BASE, 7)[0] == NOT_SUPPORTED


def test_an_unknown_extension_is_not_supported(guest: Guest) -> None:
    assert guest.call(0x9999)[0] == NOT_SUPPORTED
    assert guest.call(1 << 32 | TIME)[0] == NOT_SUPPORTED
    for eid in (TIME, IPI, SRST, PMU, DBCN, HSM, RFENCE):
        assert guest.call(eid, 99)[0] == NOT_SUPPORTED


def test_set_timer_writes_stimecmp(guest: Guest) -> None:
    assert guest.call(TIME, 0, 12345, hart=2) == (OK, 0)
    assert guest.core.csrs[2][STIMECMP] == 12345


def test_set_timer_without_sstc_keeps_deadlines() -> None:
    guest = Guest(sstc=False)
    guest.core.csrs[1][MIP] = 1 << 5 | 1 << 1 | 1 << 9
    guest.call(TIME, 0, 500, hart=1)
    assert guest.core.csrs[1][MIP] == 1 << 1, "STIP is cleared; SEIP is the PLIC's and must not become sticky"
    assert guest.server.firmware.deadlines == [None, 500, None, None]
    guest.server.timer.expire(499)
    assert guest.core.csrs[1][MIP] == 1 << 1
    guest.server.timer.expire(500)
    assert guest.core.csrs[1][MIP] == 1 << 1 | 1 << 5
    guest.call(TIME, 0, MASK64, hart=1)
    assert guest.server.firmware.deadlines[1] is None


@pytest.mark.parametrize(
    ("mask", "base", "targets"),
    [(0b1, 0, [0]), (0b101, 1, [1, 3]), (0, 0, []), (0, MASK64, [0, 1, 2, 3]), (7, MASK64, [0, 1, 2, 3])],
)
def test_ipi(guest: Guest, mask: int, base: int, targets: list[int]) -> None:
    assert guest.call(IPI, 0, mask, base)[0] == OK
    assert [hart for hart in range(4) if guest.core.csrs[hart].get(MIP, 0) & 2] == targets


@pytest.mark.parametrize(("mask", "base"), [(1 << 4, 0), (1, 4), (0, 4), (0b10, 3), (MASK64, 0), (1, 1 << 63)])
def test_a_hart_that_is_not_there_is_an_invalid_parameter(guest: Guest, mask: int, base: int) -> None:
    assert guest.call(IPI, 0, mask, base)[0] == INVALID_PARAM
    assert guest.call(RFENCE, 0, mask, base)[0] == INVALID_PARAM
    assert guest.core.log == [] and not any(guest.core.csrs)


def test_fences(guest: Guest) -> None:
    assert guest.call(RFENCE, 0, 0b11, 0)[0] == OK
    assert guest.core.log == [("fence.i",)]
    guest.core.log.clear()
    assert guest.call(RFENCE, 1, 0b10, 0, 0x1FFF, 2)[0] == OK
    assert guest.core.log == [("flush", 1, 0x1000, None), ("flush", 1, 0x2000, None)]
    guest.core.log.clear()
    for start, size in ((0, 0), (0x5000, MASK64), (0, 65 * 4096)):
        assert guest.call(RFENCE, 2, 0b100, 0, start, size, 7)[0] == OK
    assert guest.core.log == [("flush", 2, None, 7)] * 3
    assert guest.call(RFENCE, 1, 1, 0, MASK64 - 1, 4096)[0] == INVALID_ADDRESS
    assert guest.call(RFENCE, 2, 1, 0, 0, 0, 1 << 16)[0] == INVALID_PARAM
    for fid in (3, 4, 5, 6):
        assert guest.call(RFENCE, fid, 1, 0)[0] == NOT_SUPPORTED


def test_harts_start_and_stop(guest: Guest) -> None:
    assert [guest.call(HSM, 2, hart) for hart in range(4)] == [(OK, 0), (OK, 1), (OK, 1), (OK, 1)]
    assert guest.call(HSM, 2, 4)[0] == INVALID_PARAM
    guest.core.csrs[1] = {SATP: 5, SSTATUS: 0b1110}
    assert guest.call(HSM, 0, 1, DRAM + 0x100, 99)[0] == OK
    assert guest.core.log == [("start", 1, DRAM + 0x100, 1, 99, 1)]
    assert guest.core.csrs[1] == {SATP: 0, SSTATUS: 0b1100}, "address translation and interrupts are off"
    assert guest.call(HSM, 0, 1, DRAM, 0)[0] == ALREADY_AVAILABLE
    assert guest.call(HSM, 0, 0, DRAM, 0)[0] == ALREADY_AVAILABLE
    assert guest.call(HSM, 0, 9, DRAM, 0)[0] == INVALID_PARAM
    for address in (0x1000, DRAM + SIZE, DRAM + 1, MASK64):
        assert guest.call(HSM, 0, 2, address, 0)[0] == INVALID_ADDRESS
    guest.call(HSM, 1, hart=1)
    assert guest.core.log[-1] == ("stop", 1)
    assert guest.call(HSM, 2, 1) == (OK, 1)
    assert guest.call(HSM, 0, 1, DRAM, 0)[0] == OK


def test_suspend(guest: Guest) -> None:
    assert guest.call(HSM, 3, 0, 0, 0) == (OK, 0)
    guest.call(HSM, 3, 0x8000_0000, DRAM + 8, 3)
    assert guest.core.log == [("start", 0, DRAM + 8, 0, 3, 1)]
    assert guest.call(HSM, 3, 0x8000_0000, 0x10, 3)[0] == INVALID_ADDRESS
    assert guest.call(HSM, 3, 1)[0] == INVALID_PARAM
    assert guest.call(HSM, 3, 0x8000_0001)[0] == INVALID_PARAM
    assert guest.call(HSM, 3, 0x1000_0000)[0] == NOT_SUPPORTED
    assert guest.call(HSM, 3, 0x9000_0000)[0] == NOT_SUPPORTED


def test_reset(guest: Guest) -> None:
    assert guest.call(SRST, 0, 3, 0)[0] == INVALID_PARAM
    assert guest.call(SRST, 0, 0xF000_0000, 0)[0] == NOT_SUPPORTED
    assert guest.call(SRST, 0, 0, 2)[0] == INVALID_PARAM
    assert guest.asked is None
    for kind in range(3):
        guest = Guest()
        guest.call(SRST, 0, kind, 1)
        assert guest.asked == ResetRequest(kind, 1)


def test_the_debug_console(guest: Guest) -> None:
    guest.core.memory.write(DRAM + 0x10, b"hello")
    assert guest.call(DBCN, 0, 5, DRAM + 0x10, 0) == (OK, 5)
    assert guest.call(DBCN, 2, 0x121) == (OK, 0)
    assert guest.console.out == b"hello!"
    guest.console.typed = b"abc"
    assert guest.call(DBCN, 1, 2, DRAM, 0) == (OK, 2)
    assert guest.call(DBCN, 1, 9, DRAM + 2, 0) == (OK, 1)
    assert guest.call(DBCN, 1, 9, DRAM + 2, 0) == (OK, 0)
    assert guest.core.memory.read(DRAM, 4) == b"abc\0"
    for size, address, high in (
        (1, 0x1000_0000, 0),
        (SIZE + 1, DRAM, 0),
        (1, DRAM, 1),
        (MASK64, DRAM, 0),
        (16, DRAM - 8, 0),
    ):
        for fid in (0, 1):
            assert guest.call(DBCN, fid, size, address, high) == (INVALID_PARAM, 0)
    assert guest.call(DBCN, 0, 0, DRAM, 0) == (OK, 0)


def test_fixed_counters(guest: Guest) -> None:
    count = guest.call(PMU, 0)[1]
    assert guest.call(PMU, 1, 0) == (OK, 0xC00 | 63 << 12)
    assert guest.call(PMU, 1, 1) == (OK, 0xC02 | 63 << 12)
    assert guest.call(PMU, 1, 2) == (OK, 1 << 63)
    assert guest.call(PMU, 1, count)[0] == INVALID_PARAM
    everything = (1 << count) - 1
    assert guest.call(PMU, 2, 0, everything, 0, 1, 0) == (OK, 0)
    assert guest.call(PMU, 2, 0, everything, 0, 2, 0) == (OK, 1)
    assert guest.call(PMU, 2, 0, everything, 0, 3, 0)[0] == NOT_SUPPORTED, "cache references"
    assert guest.call(PMU, 3, 0, 3, 1, 1000)[0] == OK
    assert guest.core.csrs[0] == {0xB00: 1000, 0xB02: 1000, MCOUNTINHIBIT: 0}
    assert guest.call(PMU, 3, 0, 1, 0)[0] == ALREADY_STARTED
    assert guest.call(PMU, 4, 0, 1, 0)[0] == OK
    assert guest.core.csrs[0][MCOUNTINHIBIT] == 1
    assert guest.call(PMU, 4, 0, 1, 0)[0] == ALREADY_STOPPED
    assert guest.call(PMU, 4, 0, 2, 1)[0] == OK
    assert guest.call(PMU, 3, 0, 2, 0)[0] == INVALID_PARAM, "a reset counter counts nothing"


def test_counting_the_firmwares_own_work(guest: Guest) -> None:
    set_timer = 15 << 16 | 5
    error, index = guest.call(PMU, 2, 2, 0xFF, 2 | 4, set_timer, 0)
    assert (error, index) == (OK, 2)
    for _ in range(3):
        guest.call(TIME, 0, 1)
    guest.call(TIME, 0, 1, hart=1)
    assert guest.call(PMU, 5, index) == (OK, 3), "each hart counts its own"
    guest.call(PMU, 4, index, 1, 0)
    guest.call(TIME, 0, 1)
    assert guest.call(PMU, 5, index) == (OK, 3)
    guest.call(PMU, 3, index, 1, 1, 10)
    guest.call(TIME, 0, 1)
    assert guest.call(PMU, 5, index) == (OK, 11)
    assert guest.call(PMU, 6, index) == (OK, 0)
    assert guest.call(PMU, 5, 0)[0] == INVALID_PARAM


def test_counters_wrongly_used(guest: Guest) -> None:
    count = guest.call(PMU, 0)[1]
    assert guest.call(PMU, 2, count, 1, 0, 1, 0)[0] == INVALID_PARAM
    assert guest.call(PMU, 2, 0, 1 << count, 0, 1, 0)[0] == INVALID_PARAM
    assert guest.call(PMU, 2, 0, 1, 1 << 8, 1, 0)[0] == INVALID_PARAM
    assert guest.call(PMU, 2, 0, 1, 1, 1, 0)[0] == INVALID_PARAM, "skip-match of a counter that counts nothing"
    assert guest.call(PMU, 2, 0, 1, 0, 1 << 20, 0)[0] == INVALID_PARAM
    assert guest.call(PMU, 2, 2, 1, 0, 15 << 16 | 22, 0)[0] == NOT_SUPPORTED
    assert guest.call(PMU, 3, 0, 1, 2, 0)[0] == NO_SHMEM
    assert guest.call(PMU, 4, 0, 1, 2)[0] == NO_SHMEM
    assert guest.call(PMU, 3, 0, 1, 4, 0)[0] == INVALID_PARAM
    assert guest.call(PMU, 4, 0, 0, 0)[0] == INVALID_PARAM


def test_legacy(guest: Guest) -> None:
    def legacy(eid: int, *args: int) -> int:
        answer, a1 = guest.call(eid, 0, *args)
        assert a1 == (args[1] if len(args) > 1 else 0), "legacy calls leave a1 alone"
        return answer

    assert legacy(0, 77) == 0 and guest.core.csrs[0][STIMECMP] == 77
    assert legacy(1, ord("x")) == 0 and guest.console.out == b"x"
    assert legacy(2) == -1
    guest.console.typed = b"y"
    assert legacy(2) == ord("y")
    guest.core.memory.write(DRAM, (0b1010).to_bytes(8, "little"))
    assert legacy(4, DRAM) == 0
    assert [guest.core.csrs[h].get(MIP, 0) for h in range(4)] == [0, 2, 0, 2]
    guest.core.csrs[0][MIP] = 2
    assert legacy(3) == 0 and guest.core.csrs[0][MIP] == 0
    assert legacy(5, 0) == 0 and guest.core.log == [("fence.i",)]
    assert legacy(6, DRAM, 0x1000, 0x1000) == 0
    assert legacy(7, DRAM, 0, 0, 3) == 0
    assert guest.core.log[1:] == [
        ("flush", 1, 0x1000, None), ("flush", 3, 0x1000, None), ("flush", 1, None, 3), ("flush", 3, None, 3),
    ]  # fmt: skip
    assert legacy(7, DRAM, 0, 0, 1 << 16) == INVALID_PARAM
    assert legacy(4, 0x10) == INVALID_ADDRESS
    legacy(8)
    assert guest.asked == ResetRequest(0, 0)


@given(st.data())
def test_no_call_reaches_the_host(data: st.DataObject) -> None:
    """Whatever the registers hold, an ecall is answered with a specified error or success."""
    guest = Guest(2)
    words = st.one_of(
        st.integers(0, 16), st.sampled_from([DRAM, DRAM + SIZE - 1, MASK64, 1 << 63]), st.integers(0, MASK64)
    )
    for _ in range(4):
        eid = data.draw(st.one_of(st.sampled_from([BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, PMU]), st.integers(0, 9)))
        error, _ = guest.call(eid, data.draw(st.integers(0, 9)), *[data.draw(words) for _ in range(6)])
        if guest.asked:
            return
        assert eid <= 8 or eid == HSM or -9 <= error <= 0
