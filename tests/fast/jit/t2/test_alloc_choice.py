"""Who allocates can be chosen, and the regions of a machine can be had for another go."""

from __future__ import annotations

import pytest
from support.assembler import Assembler

from vmcore._fast.jit.t2.explain import explain_region
from vmcore._fast.run import EXITS, Core
from vmcore.errors import ConfigError
from vmcore.isa.riscv import Isa

RAM = 0x8000_0000
LOOP = RAM + 0x80
# More registers than the host has for values.
FIRST, LAST = 8, 28
INSNS = 400_000


def machine() -> Core:
    """Give a machine that mixes twenty-one registers for ever, each with its neighbour."""
    a = Assembler(RAM)
    for number in range(FIRST, LAST + 1):
        a.emit("addi", rd=number, rs1=0, imm=number)
    while len(a.code()) < LOOP - RAM:
        a.emit("addi", rd=0, rs1=0, imm=0)
    a.label("loop")
    for number in range(FIRST, LAST + 1):
        a.emit("add", rd=number, rs1=number, rs2=number + 1 if number < LAST else FIRST)
    a.emit("jal", to="loop", rd=0)
    core = Core(1, Isa.default().mask, tier="t2")
    core.add_ram(RAM, 1 << 20)
    core.memory.write(RAM, a.code())
    core.set_pc(0, RAM)
    return core


def run() -> tuple[list[int], dict[str, int], list[tuple[bytes, int, bytes, tuple[object, ...], tuple[object, ...]]]]:
    core = machine()
    for _ in range(8):
        assert core.run(max_insns=INSNS) == EXITS["budget"]
    found = [core.x(0, number) for number in range(32)], core.stats(), core.regions()
    core.close()
    return found


def test_both_allocators_can_be_chosen_and_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for allocator in ("", "colouring", "scan"):
        monkeypatch.setenv("VMCORE_JIT_ALLOCATOR", allocator)
        found[allocator] = run()
    expected = [number for number in range(FIRST, LAST + 1)]
    rounds, rest = divmod(8 * INSNS - (LOOP - RAM) // 4, LAST - FIRST + 2)
    for step in range(rounds * (LAST - FIRST + 1) + min(rest, LAST - FIRST + 1)):
        at = step % len(expected)
        expected[at] = (expected[at] + expected[(at + 1) % len(expected)]) % 2**64
    for regs, stats, regions in found.values():
        assert regs[FIRST : LAST + 1] == expected
        assert stats["t2_regions"] and regions
    assert found[""][1]["t2_spilled"] == found["colouring"][1]["t2_spilled"] < found["scan"][1]["t2_spilled"]


def test_an_allocator_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMCORE_JIT_ALLOCATOR", "greedy")
    with pytest.raises(ConfigError, match=r"VMCORE_JIT_ALLOCATOR is 'greedy'") as error:
        machine()
    assert "colouring or scan" in str(error.value)


def test_a_region_of_a_machine_can_be_compiled_again() -> None:
    _, _, regions = run()
    page, header, warm, more, jumps = regions[0]
    assert more == jumps == ()
    isa = Isa.default().mask
    assert header == LOOP - RAM
    assert explain_region(page, isa, header, warm=warm)["refused"] is None
    # Nothing is warm: nothing to be had.
    assert explain_region(page, isa, header, warm=bytes(len(warm)))["refused"] is not None
    with pytest.raises(ConfigError, match="255 bytes"):
        explain_region(page, isa, header, warm=warm[1:])
