"""How often compiled code finds its way in the L1 table: counted on request, exactly, and at no cost otherwise."""

from __future__ import annotations

import pytest
from support.assembler import Assembler

from vmcore._fast.jit.l3 import Store
from vmcore._fast.jitface import blocks, stress
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import Isa, install

install()
RAM = 0x8000_0000
FAR = RAM + 0x1000
TURNS = 300
ZERO, RA, T0, S1, S4 = 0, 1, 5, 9, 20
# What one turn of the loop does, and how many transfers of it go to another page or to an address in a register.
TURN = {"nothing": 0, "indirect": 1, "call and return": 2, "far jump": 2, "far branch": 2, "page end": 3}


def program(turn: str) -> bytes:
    """A loop in one page, whose turns do that, and what they call at the start and at the end of the next one."""
    a = Assembler(RAM)
    a.value(S4, FAR)
    a.emit("addi", rd=S1, rs1=ZERO, imm=TURNS)
    a.emit("auipc", rd=T0, imm=0)
    here = len(a.items) - 1
    a.label("loop")
    if turn == "indirect":
        a.emit("jalr", rd=ZERO, rs1=T0, imm=4 * (len(a.items) + 2 - here))
        a.emit("ebreak")
    elif turn == "call and return":
        a.emit("jalr", rd=RA, rs1=S4, imm=0)
    elif turn == "far jump":
        a.labels["far"] = FAR
        a.emit("jal", to="far", rd=RA)
    elif turn == "far branch":
        a.labels["far"] = FAR
        a.emit("addi", rd=RA, rs1=T0, imm=4 * (len(a.items) + 2 - here))
        a.emit("beq", to="far", rs1=ZERO, rs2=ZERO)
    elif turn == "page end":
        a.emit("jalr", rd=RA, rs1=S4, imm=-4)
    a.emit("addi", rd=S1, rs1=S1, imm=-1)
    a.emit("bne", to="loop", rs1=S1, rs2=ZERO)
    a.label("end")
    a.emit("wfi")
    a.emit("jal", to="end", rd=ZERO)
    last = Assembler(FAR - 4)
    last.emit("addi", rd=ZERO, rs1=ZERO, imm=0)
    last.emit("jalr", rd=ZERO, rs1=RA, imm=0)
    return a.code().ljust(FAR - 4 - RAM, b"\0") + last.code()


def machine(turn: str, *, counting: bool | None, store: Store | None = None, tier: str = "t1") -> Core:
    core = Core(1, Isa.default().mask, tier=tier, store=store, counting=counting)
    core.add_ram(RAM, 1 << 20)
    core.memory.write(RAM, program(turn))
    core.set_pc(0, RAM)
    return core


@pytest.mark.parametrize("turn", TURN)
def test_each_transfer_that_is_looked_up_counts_once(turn: str) -> None:
    core = machine(turn, counting=True)
    assert core.run() == EXITS["idle"]
    assert core.x(0, S1) == 0
    stats = core.stats()
    # Each place is unknown when it is looked up first.
    assert (stats["l1_lookups"], stats["l1_hits"]) == (TURN[turn] * TURNS, TURN[turn] * (TURNS - 1))
    assert stats["l1_misses"] == TURN[turn]
    assert stats["l1_hit_pct"] == (pytest.approx(100 * (TURNS - 1) / TURNS) if TURN[turn] else 0.0)
    core.close()


def test_an_exit_for_a_poll_is_neither_a_lookup_nor_a_miss() -> None:
    core = machine("call and return", counting=True)
    stress(core, poll_every=1)
    assert core.run() == EXITS["idle"]
    stats = core.stats()
    assert stats["exits"] > 2 * TURNS
    assert (stats["l1_lookups"], stats["l1_hits"], stats["l1_misses"]) == (0, 0, 0)
    core.close()


def test_a_forgotten_table_misses() -> None:
    core = machine("call and return", counting=True)
    # Two exits a turn at least, and each of them empties the table.
    stress(core, forget_every=1)
    assert core.run() == EXITS["idle"]
    stats = core.stats()
    assert stats["l1_lookups"] == 2 * TURNS
    assert stats["l1_misses"] == stats["l1_lookups"] - stats["l1_hits"] == 2 * TURNS
    core.close()


def test_nothing_counts_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    code = []
    for value, counting in (("1", None), ("0", True), ("0", None), ("1", False)):
        monkeypatch.setenv("VMCORE_JIT_COUNT", value)
        core = machine("far jump", counting=counting)
        core.run()
        assert ("l1_lookups" in core.stats()) == (len(code) < 2)
        code.append([block["code"] for block in blocks(core, FAR)])
        core.close()
    assert code[0] == code[1] != code[2] == code[3]
    assert len(code[0][0]) > len(code[2][0])


def test_code_that_counts_is_not_shared_with_code_that_does_not() -> None:
    store = Store()
    found = {}
    for counting in (True, False, True, False):
        core = machine("call and return", counting=counting, store=store, tier="auto")
        core.run()
        found.setdefault(counting, []).append(core.stats()["l3_hits"])
        core.close()
    assert found == {True: [0, 2], False: [0, 2]}
