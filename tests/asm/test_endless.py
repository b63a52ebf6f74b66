"""Guests that never end by themselves: the budget ends them, exactly, and the host stays whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vmcore._fast.dev.clint import Clint
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import install
from vmcore.isa.riscv.extensions import Isa

DRAM = 0x8000_0000
MTVEC, MCAUSE, MEPC, MTVAL, MIE = 0x305, 0x342, 0x341, 0x343, 0x304


@pytest.fixture
def core() -> Iterator[Core]:
    install()
    core = Core(1, Isa.default().mask)
    core.add_ram(DRAM, 1 << 20)
    core.attach(0x200_0000, Clint(core.clock, [core.pins(0)]))
    core.reset()
    core.set_pc(0, DRAM)
    yield core
    core.close()


def put(core: Core, *words: int, at: int = DRAM) -> None:
    core.memory.write(at, b"".join(word.to_bytes(4, "little") for word in words))


@pytest.mark.parametrize("budget", [1, 2, 3, 1000, 123_457])
@pytest.mark.parametrize(
    ("word", "mtvec", "cause"),
    [
        (0x0000_0000, 0, 1),  # illegal, and no handler where mtvec points: fetching it faults for ever
        (0x0000_0000, DRAM, 2),  # the handler is the illegal instruction itself
        (0x0000_0073, DRAM, 11),  # ... an ecall
        (0x0010_0073, DRAM, 3),  # ... an ebreak
        (0x0000_0067, 0, 1),  # a jump to 0
        (0x3020_0073, 0, 1),  # mret to a pc of 0
        (0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFC, 1),
    ],
)
def test_traps_without_end(core: Core, word: int, mtvec: int, cause: int, budget: int) -> None:
    put(core, word)
    core.csr_write(0, MTVEC, mtvec)
    assert core.run(max_insns=budget) == EXITS["budget"]
    assert core.icount() == budget
    if budget > 2:
        assert core.csr_read(0, MCAUSE) == cause


def test_an_endless_loop_takes_exactly_its_budget(core: Core) -> None:
    put(core, 0x0000_006F)  # j .
    for budget in (1, 5, 299, 300, 301, 1_000_003):
        before = core.icount()
        assert core.run(max_insns=budget) == EXITS["budget"]
        assert core.icount() - before == budget
        assert core.pc(0) == DRAM


def test_an_interrupt_that_nobody_clears_comes_again_and_again(core: Core) -> None:
    # csrwi mie, 8; csrsi mstatus, 8; lui a0, 0x2000; sw a1, 0(a0) with a1 = 1 (msip); mtvec holds an mret.
    put(core, 0x3044_5073, 0x3004_6073, 0x0200_0537, 0x0010_0593, 0x00B5_2023, 0x0000_0013, 0x0000_006F)
    put(core, 0x3020_0073, at=DRAM + 256)
    core.csr_write(0, MTVEC, DRAM + 256)
    assert core.run(max_insns=10_001) == EXITS["budget"]
    assert core.icount() == 10_001
    assert core.csr_read(0, MCAUSE) == 1 << 63 | 3
    # The interrupt is taken before the instruction that it returns to, every time: nothing else ever runs.
    assert core.csr_read(0, MEPC) == DRAM + 20


def test_waiting_for_nothing_is_idle(core: Core) -> None:
    put(core, 0x1050_0073, 0x0010_0513)  # wfi; li a0, 1
    assert core.run(max_insns=100) == EXITS["idle"]
    assert core.hart_waiting(0)
    assert core.run(max_insns=100) == EXITS["idle"]
    assert core.x(0, 10) == 0


def test_walking_off_the_end_of_memory(core: Core) -> None:
    put(core, *[0x0000_0013] * 64, at=DRAM + (1 << 20) - 256)
    core.set_pc(0, DRAM + (1 << 20) - 256)
    core.csr_write(0, MTVEC, DRAM)
    put(core, 0x0000_006F)
    assert core.run(max_insns=100) == EXITS["budget"]
    assert core.csr_read(0, MCAUSE) == 1
    assert core.csr_read(0, MEPC) == core.csr_read(0, MTVAL) == DRAM + (1 << 20)
    assert core.icount() == 100
