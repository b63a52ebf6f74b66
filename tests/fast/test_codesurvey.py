"""Compiled code that lies scattered is seen, and moved together when no hart is inside it."""

from __future__ import annotations

import pytest
from support.assembler import Assembler

from vmcore._fast.codesurvey import compact, survey
from vmcore._fast.jitface import blocks, stress
from vmcore._fast.memory.slabheap import Survey
from vmcore._fast.run import EXITS, Core
from vmcore._fast.team import run_team
from vmcore.errors import ClosedError
from vmcore.isa.riscv import Isa, install

install()
RAM = 0x8000_0000
PAGES = 1500
INSNS = 62
A0, S0 = 10, 8
# A survey has these of one that found nothing.
EMPTY = Survey(0, 0, 0, (0,) * 40)


def page(index: int, add: int) -> bytes:
    """One block, which adds 60 * `add` to a0 and leads to the next page; the last one leads to the first."""
    code = Assembler(RAM + 4096 * index)
    for _ in range(INSNS - 2):
        code.emit("addi", rd=A0, rs1=A0, imm=add)
    code.value(S0, RAM + 4096 * ((index + 1) % PAGES))
    code.emit("jalr", rd=0, rs1=S0, imm=0)
    return code.code()


def ring(tier: str = "t1", *, harts: int = 1, parallel: bool = False) -> Core:
    core = Core(harts, Isa.default().mask, tier=tier, parallel=parallel, host_clock=parallel)
    core.add_ram(RAM, 4096 * PAGES)
    for index in range(PAGES):
        core.memory.write(RAM + 4096 * index, page(index, 1))
    core.set_pc(0, RAM)
    return core


def rewrite(core: Core) -> None:
    """Change every page but each eighth, whose code is dropped."""
    for index in range(PAGES):
        if index % 8:
            core.memory.write(RAM + 4096 * index, page(index, 2))
    core.fence_i()


def ratio(found: Survey) -> float:
    return 1 - found.largest / found.free


def insns_of_a_round() -> int:
    """Instructions of one way through all pages, with those that load addresses."""
    return sum(len(page(index, 1)) // 4 for index in range(PAGES))


def test_a_machine_that_has_compiled_nothing_holds_nothing() -> None:
    for tier in ("t0", "t1"):
        core = ring(tier)
        compact(core)
        assert survey(core) == EMPTY
        core.close()
        with pytest.raises(ClosedError):
            survey(core)
        with pytest.raises(ClosedError):
            compact(core)


def test_what_is_live_and_what_was_dropped_are_told_apart() -> None:
    core = ring()
    core.run(max_insns=insns_of_a_round())
    full = survey(core)
    assert full.held % (256 << 10) == 0 and full.held - full.free >= core.stats()["l2_bytes"] > 200_000
    assert ratio(full) < 0.2
    rewrite(core)
    holed = survey(core)
    # Each page's blocks are holes now, beside the room behind all code.
    assert sum(holed.histogram) - sum(full.histogram) >= PAGES * 7 // 8
    assert holed.held == full.held and holed.largest == full.largest
    assert holed.free - full.free > 0.8 * (full.held - full.free)
    assert ratio(holed) > 0.6
    core.close()


def test_compaction_keeps_what_is_live_and_gives_the_rest_back() -> None:
    core, interpreter = ring(), ring("t0")
    insns = insns_of_a_round()
    for one in (core, interpreter):
        one.run(max_insns=insns)
        rewrite(one)
    before = survey(core)
    kept = blocks(core, RAM + 8 * 4096)
    compiled = core.stats()["t1_blocks"]
    compact(core)
    after = survey(core)
    assert after.held <= before.held // 2 and ratio(after) <= ratio(before) / 2
    assert sum(after.histogram) < PAGES // 8
    moved = blocks(core, RAM + 8 * 4096)
    assert [(one["start"], one["instructions"]) for one in moved] == [
        (one["start"], one["instructions"]) for one in kept
    ]
    assert core.stats()["l2_pages"] == (PAGES + 7) // 8
    for one in (core, interpreter):
        one.run(max_insns=insns)
    assert core.pc(0) == interpreter.pc(0)
    assert core.x(0, A0) == interpreter.x(0, A0) == 60 * (PAGES + PAGES + PAGES - (PAGES + 7) // 8)
    # Only what was dropped is compiled again.
    assert compiled * 0.8 < core.stats()["t1_blocks"] - compiled <= compiled * 7 / 8 + 8
    core.close()
    interpreter.close()


def test_what_is_compiled_in_many_segments_is_counted_as_it_is_found() -> None:
    """Made, replaced by other code, thrown away for want of room: what is live is what the pages say."""
    core = ring()
    insns = insns_of_a_round()
    stress(core, limit=512 << 10)
    for _ in range(3):
        core.run(max_insns=insns)
        found = survey(core)
        stubs = found.held - found.free - core.stats()["l2_bytes"]
        assert 0 < stubs < 16 << 10 and found.held <= 512 << 10
        rewrite(core)
    assert core.stats()["t1_evictions"] > 2
    core.close()


def test_a_machine_that_runs_is_compacted_where_no_hart_is_inside_its_code() -> None:
    core = ring()
    insns = insns_of_a_round()
    core.run(max_insns=insns)
    rewrite(core)
    before = survey(core)
    seen = []

    def ask(_: object) -> bool:
        if not seen:
            compact(core)
            seen.append(survey(core))
        return False

    core.hook_add(RAM + 4096 * 600, ask)
    evictions = core.stats()["t1_evictions"]
    core.run(max_insns=insns)
    # Within the hook nothing moved. When it returned, what had been compiled anew was kept.
    assert seen[0].held >= before.held and sum(seen[0].histogram) > PAGES * 7 // 8
    assert core.stats()["t1_evictions"] == evictions + 1
    assert ratio(survey(core)) < 0.2 and core.x(0, A0) == 60 * (PAGES + PAGES + PAGES - (PAGES + 7) // 8)
    core.close()


def test_parallel_harts_let_go_of_their_code_when_they_stand_still() -> None:
    core = ring(harts=2, parallel=True)
    asked = []

    def ask(_: object) -> bool:
        if not asked:
            compact(core)
            asked.append(core.stats()["t1_evictions"])
        return False

    core.hook_add(RAM + 4096 * (PAGES - 1), ask)
    core.set_pc(1, RAM)
    insns = insns_of_a_round()
    assert run_team(core, lambda code: code, lambda: None, 8 * insns) == EXITS["budget"]
    assert asked and core.stats()["t1_evictions"] == asked[0] + 1
    before = survey(core)
    compact(core)
    assert core.stats()["t1_evictions"] == asked[0] + 2 and survey(core).held <= before.held
    core.close()
