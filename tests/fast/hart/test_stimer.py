"""Sstc: when STIP comes and goes, whatever the guest sets the time to."""

import pytest

from vmcore._fast.dev.clint import Clint
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import Isa, install
from vmcore.isa.riscv.csrs import csr_number

RAM, MTIME = 0x8000_0000, 0xBFF8
STIMECMP, MENVCFG, MIP, TIME = (csr_number(name) for name in ("stimecmp", "menvcfg", "mip", "time"))
STCE, STIP = 1 << 63, 1 << 5
TICK = 100  # instructions


@pytest.fixture
def core():
    install()
    one = Core(1, Isa.default().mask)
    one.add_ram(RAM, 0x1000)
    one.memory.write(RAM, (0x6F).to_bytes(4, "little"))  # jal x0, 0
    clint = Clint(one.clock, [one.pins(0)])
    one.attach(0x200_0000, clint)
    one.csr_write(0, MENVCFG, STCE)
    one.set_pc(0, RAM)
    yield one, clint
    one.close()


def pending(core):
    return bool(core.csr_read(0, MIP) & STIP)


def test_it_comes_on_the_tick(core):
    core, _ = core
    core.csr_write(0, STIMECMP, 5)
    core.run(max_insns=5 * TICK - 1)
    assert not pending(core)
    core.run(max_insns=1)
    assert core.run(max_insns=1) == EXITS["budget"]
    assert pending(core)


def test_time_wraps_before_it_comes(core):
    # A deadline computed from the offset of mtime lay in the past here, and was due again and again without end.
    core, clint = core
    clint.write(MTIME, 8, 2**64 - 5)
    core.run(max_insns=10 * TICK)
    assert core.csr_read(0, TIME) == 5
    core.csr_write(0, STIMECMP, 2**64 - 1)
    assert core.run(max_insns=10 * TICK) == EXITS["budget"]
    assert not pending(core)
    core.csr_write(0, STIMECMP, 20)
    assert core.run(max_insns=10 * TICK) == EXITS["budget"]
    assert pending(core)


def test_it_goes_when_time_wraps(core):
    core, clint = core
    clint.write(MTIME, 8, 2**64 - 5)
    core.csr_write(0, STIMECMP, 2**64 - 3)
    core.run(max_insns=4 * TICK)
    assert pending(core)
    core.run(max_insns=4 * TICK)
    assert not pending(core)


@pytest.mark.parametrize("mtime", [0, 1 << 63, 2**64 - 1, 2**64 - 2**40])
@pytest.mark.parametrize("compare", [0, 1, 1 << 63, 2**64 - 1])
def test_no_time_and_no_comparison_stop_the_machine(core, mtime, compare):
    core, clint = core
    clint.write(MTIME, 8, mtime)
    core.csr_write(0, STIMECMP, compare)
    for _ in range(4):
        assert core.run(max_insns=3 * TICK) == EXITS["budget"]
        assert pending(core) == (core.csr_read(0, TIME) >= compare)


def test_looking_at_any_hart_leaves_the_clock_alone():
    # The clock was once brought up to date by the instructions of the hart asked, from where another's turn began.
    install()
    core = Core(3, Isa.default().mask)
    core.add_ram(RAM, 0x1000)
    core.memory.write(RAM, (0x6F).to_bytes(4, "little"))
    core.csr_write(0, MENVCFG, STCE)
    for hart in range(3):
        core.set_pc(hart, RAM)
    core.hart_stop(2)
    for _ in range(10):
        core.run(max_insns=12_345)
        now = core.now_ns
        for hart in range(3):
            assert core.csr_read(hart, TIME) == now // 100
            core.csr_write(hart, MENVCFG, STCE if not core.csr_read(hart, MENVCFG) else 0)
            core.csr_write(hart, STIMECMP, 5)
            assert core.now_ns == now
    core.close()
