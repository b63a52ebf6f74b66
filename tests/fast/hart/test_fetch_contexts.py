"""What a hart knows of code, kept as long as the page tables allow: counted by the look-ups of compiled code."""

from __future__ import annotations

import pytest
from support.assembler import Assembler
from support.storms import (
    A0,
    A1,
    A2,
    A3,
    A4,
    CODE,
    GLOBAL,
    LEAF,
    OTHER_ROOT,
    ROOT,
    S2,
    SATP,
    TABLE,
    WINDOW,
    Storm,
    adds,
    count_down,
    end_round,
    function,
    satp,
)

ROUNDS = 300
# More than a hart keeps apart.
SPACES = 64
# A function in the superpage of the kernel, and a page that nobody executes.
CALLED, ELSEWHERE = function(3), WINDOW + 0x10_0000


@pytest.fixture(autouse=True)
def _count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMCORE_JIT_COUNT", "1")


def finish(code: Assembler, rights: int, total: int) -> dict[str, float]:
    """Run it to its end: the counters, once the sum is right."""
    storm = Storm(code, "t1", rights=rights)
    storm.core.run(max_insns=1_000_000)
    assert storm.word(TABLE) == total
    stats = storm.core.stats()
    storm.close()
    return stats


def rounds(*fences: tuple[int, int]) -> Assembler:
    """Code that calls a function in each of many address spaces, fencing in between (rs1 and rs2)."""
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    code.value(A1, CALLED)
    code.value(A3, ELSEWHERE)
    # satp's mode and root as they are.
    code.emit("csrrs", rd=A4, rs1=0, imm=SATP)
    count_down(code, ROUNDS)
    code.emit("andi", rd=A2, rs1=S2, imm=SPACES - 1)
    code.emit("slli", rd=5, rs1=A2, imm=44)
    code.emit("or", rd=5, rs1=A4, rs2=5)
    code.emit("csrrw", rd=0, rs1=5, imm=SATP)
    code.emit("jalr", rd=1, rs1=A1, imm=0)
    # The function returns to code that is compiled: a fence is not.
    code.emit("addi", rd=5, rs1=0, imm=0)
    for rs1, rs2 in fences:
        code.emit("sfence.vma", rs1=rs1, rs2=rs2)
    end_round(code)
    return code


@pytest.mark.parametrize("fences", [(), ((0, A2),), ((A3, 0), (A3, A2))], ids=["none", "space", "address"])
def test_a_kernel_is_known_in_every_address_space(fences: tuple[tuple[int, int], ...]) -> None:
    stats = finish(rounds(*fences), GLOBAL, ROUNDS * adds(3))
    assert stats["l1_lookups"] == 2 * ROUNDS
    assert stats["l1_misses"] == 2


@pytest.mark.parametrize("fence", [(0, 0), (A1, 0)], ids=["all", "address"])
def test_a_fence_for_every_space_forgets_it(fence: tuple[int, int]) -> None:
    stats = finish(rounds(fence), GLOBAL, ROUNDS * adds(3))
    assert stats["l1_misses"] == 2 * ROUNDS


def test_what_is_not_global_is_known_in_its_own_space_only() -> None:
    stats = finish(rounds(), LEAF, ROUNDS * adds(3))
    assert stats["l1_misses"] == 2 * ROUNDS


@pytest.mark.parametrize("rights", [LEAF, GLOBAL], ids=["own", "first page global"])
def test_two_spaces_with_other_code_at_the_same_address(rights: int) -> None:
    # The kernel's superpage may be global; the window is not, and is something else in each space. It is executed only
    # when global pages were taken for granted already.
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    code.value(A1, WINDOW)
    code.value(A3, CALLED)
    code.emit("jalr", rd=1, rs1=A3, imm=0)
    for register, root, space in ((A2, ROOT, 1), (A4, OTHER_ROOT, 2)):
        code.emit("addi", rd=5, rs1=0, imm=1)
        code.emit("slli", rd=5, rs1=5, imm=63)
        code.value(register, satp(root, space) & (1 << 43) - 1)
        code.emit("or", rd=register, rs1=register, rs2=5)
        code.emit("addi", rd=5, rs1=0, imm=space)
        code.emit("slli", rd=5, rs1=5, imm=44)
        code.emit("or", rd=register, rs1=register, rs2=5)
    count_down(code, ROUNDS)
    for register in (A2, A4):
        code.emit("csrrw", rd=0, rs1=register, imm=SATP)
        code.emit("jalr", rd=1, rs1=A1, imm=0)
        code.emit("jalr", rd=1, rs1=A3, imm=0)
    end_round(code)
    storm = Storm(code, "t1")
    middle = 0x8000_0000 + 0x10_1000
    storm.put(middle, {n: (0x8000_0000 + (n << 21)) >> 2 | rights for n in range(2)})
    storm.core.run(max_insns=1_000_000)
    assert storm.word(TABLE) == adds(3) + ROUNDS * (adds(0) + adds(1) + 2 * adds(3))
    # Both spaces are known by now.
    stats = storm.core.stats()
    assert stats["l1_misses"] < 20
    storm.close()


def test_two_places_that_share_an_entry_are_both_known() -> None:
    # Addresses that agree in bits 1 to 13 with those of their page folded in: two are known at a time, not three.
    for count, misses in ((2, 4), (3, None)):
        code = Assembler(CODE)
        code.emit("addi", rd=A0, rs1=0, imm=0)
        places = [function(0), function(0) + (1 << 26), function(0) + (1 << 27)][:count]
        for register, place in zip((A1, A2, A3), places, strict=False):
            code.value(register, place)
        count_down(code, ROUNDS)
        for register in (A1, A2, A3)[:count]:
            code.emit("jalr", rd=1, rs1=register, imm=0)
        end_round(code)
        storm = Storm(code, "t1", size=256 << 20)
        for place in places[1:]:
            storm.core.memory.write(place, storm.core.memory.read(function(0), 8))
        storm.core.run(max_insns=1_000_000)
        assert storm.word(TABLE) == ROUNDS * count * adds(0)
        stats = storm.core.stats()
        assert stats["l1_lookups"] == 2 * count * ROUNDS
        if misses is not None:
            assert stats["l1_misses"] == misses
        else:
            assert stats["l1_misses"] >= count * ROUNDS
        storm.close()
