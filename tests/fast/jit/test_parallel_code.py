"""Compiled code under harts that run at the same time: compiled, linked, changed, thrown away under others."""

from __future__ import annotations

import pytest
from support.assembler import Assembler

from vmcore._fast.jitface import stress
from vmcore._fast.run import EXITS, Core
from vmcore._fast.team import run_team
from vmcore.isa.riscv import Isa, install

install()
DRAM = 0x8000_0000
CODE = DRAM + 0x1_0000
PAGES = 40
ROUNDS = 2000
HARTS = 4
ZERO, RA, T0, T1, T2, A0, A1, A2, S0, S1 = 0, 1, 5, 6, 7, 10, 11, 12, 8, 9


def page_of_code(index: int) -> bytes:
    """A page of blocks that jump to one another, forwards and back; it adds `index` + 30 to a0 and returns."""
    code = Assembler(CODE + 4096 * index)
    code.emit("addi", rd=A0, rs1=A0, imm=index)
    code.emit("addi", rd=T0, rs1=ZERO, imm=10)
    code.emit("jal", to="b", rd=ZERO)
    code.label("a")
    code.emit("addi", rd=A0, rs1=A0, imm=1)
    code.emit("jal", to="c", rd=ZERO)
    code.label("b")
    code.emit("addi", rd=A0, rs1=A0, imm=2)
    code.emit("beq", to="a", rs1=ZERO, rs2=ZERO)
    code.label("c")
    code.emit("addi", rd=T0, rs1=T0, imm=-1)
    code.emit("bne", to="b", rs1=T0, rs2=ZERO)
    code.emit("jalr", rd=ZERO, rs1=RA, imm=0)
    return code.code()


def caller() -> bytes:
    """Each hart calls every page in turn, ROUNDS times, beginning with one of its own; then it waits."""
    code = Assembler(DRAM)
    code.emit("csrrs", rd=T1, rs1=ZERO, imm=0xF14)
    code.value(S0, ROUNDS * PAGES)
    code.emit("addi", rd=A1, rs1=ZERO, imm=PAGES // HARTS)
    code.emit("mul", rd=S1, rs1=T1, rs2=A1)
    code.value(A2, CODE)
    code.label("next")
    code.emit("slli", rd=T2, rs1=S1, imm=12)
    code.emit("add", rd=T2, rs1=T2, rs2=A2)
    code.emit("jalr", rd=RA, rs1=T2, imm=0)
    code.emit("addi", rd=S1, rs1=S1, imm=1)
    code.emit("addi", rd=T1, rs1=ZERO, imm=PAGES)
    code.emit("blt", to="inside", rs1=S1, rs2=T1)
    code.emit("addi", rd=S1, rs1=ZERO, imm=0)
    code.label("inside")
    code.emit("addi", rd=S0, rs1=S0, imm=-1)
    code.emit("bne", to="next", rs1=S0, rs2=ZERO)
    code.label("done")
    code.emit("wfi")
    code.emit("jal", to="done", rd=ZERO)
    return code.code()


@pytest.mark.parametrize("limit", [None, 9 << 10], ids=["roomy", "evicting"])
def test_harts_share_code_while_it_is_made_and_thrown_away(limit: int | None) -> None:
    core = Core(HARTS, Isa.default().mask, host_clock=True, tier="t1", parallel=True)
    core.add_ram(DRAM, 1 << 20)
    core.memory.write(DRAM, caller())
    for index in range(PAGES):
        core.memory.write(CODE + 4096 * index, page_of_code(index))
    for hart in range(HARTS):
        core.set_pc(hart, DRAM)
    if limit is not None:
        stress(core, limit=limit, forget_every=50)
    assert run_team(core, lambda code: code) == EXITS["idle"]
    assert [core.x(hart, A0) for hart in range(HARTS)] == [ROUNDS * sum(n + 30 for n in range(PAGES))] * HARTS
    stats = core.stats()
    assert stats["t1_insns"] > stats["t0_insns"] or limit is not None
    assert (stats["t1_evictions"] > 10) == (limit is not None)
    core.close()


def test_code_that_changes_under_all_harts() -> None:
    """Each hart rewrites a page of its own, fences, and calls it, beside others that do the same: SMC at full speed.

    The pages of two harts lie in one: what one hart's fence finds changed, another may be running.
    """
    code = Assembler(DRAM)
    code.emit("csrrs", rd=T1, rs1=ZERO, imm=0xF14)
    code.emit("slli", rd=T1, rs1=T1, imm=11)
    code.value(A2, CODE)
    code.emit("add", rd=A2, rs1=A2, rs2=T1)
    code.value(S0, 2000)
    code.value(A1, 0x513)                                        # addi a0, zero, 0
    code.value(T2, 0x8067)                                       # jalr zero, 0(ra)
    code.label("again")
    code.emit("slli", rd=T0, rs1=S0, imm=20)
    code.emit("or", rd=T0, rs1=T0, rs2=A1)                       # addi a0, zero, s0
    code.emit("sw", rs1=A2, rs2=T0, imm=0)
    code.emit("sw", rs1=A2, rs2=T2, imm=4)
    code.emit("fence.i")
    code.emit("jalr", rd=RA, rs1=A2, imm=0)
    code.emit("bne", to="wrong", rs1=A0, rs2=S0)
    code.emit("addi", rd=S0, rs1=S0, imm=-1)
    code.emit("bne", to="again", rs1=S0, rs2=ZERO)
    code.label("wrong")
    code.emit("wfi")
    code.emit("jal", to="wrong", rd=ZERO)
    core = Core(HARTS, Isa.default().mask, host_clock=True, tier="t1", parallel=True)
    core.add_ram(DRAM, 1 << 20)
    core.memory.write(DRAM, code.code())
    for hart in range(HARTS):
        core.set_pc(hart, DRAM)
    assert run_team(core, lambda code: code) == EXITS["idle"]
    assert [core.x(hart, S0) for hart in range(HARTS)] == [0] * HARTS
    core.close()
