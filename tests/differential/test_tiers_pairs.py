"""Instructions that compiled code takes together, and near misses, against the interpreter."""

from __future__ import annotations

import pytest
from differential.test_tiers_bits import JUMP, REGISTERS, harts
from support import operands
from support.amount import rng, scaled
from support.lockstep import RAM_END, WINDOW, Case, differences, report

from vmcore.isa.riscv import BY_MNEMONIC
from vmcore.isa.riscv.assemble import encode

__all__ = ["harts"]

PAIRS = 25


def random_pair(second: str, source) -> list[bytes]:
    # Registers are drawn from few, so that the two often, but not always, have to do with each other.
    few = [source.choice(REGISTERS) for _ in range(3)]
    rd = source.choice(few)
    shift = source.choice((1, 2, 3, 32) if second == "add" else (32, 32, 31, 33))
    first = encode(BY_MNEMONIC["slli"], rd=rd, rs1=source.choice(few), imm=shift)
    if second == "add":
        word = encode(BY_MNEMONIC["add"], rd=source.choice((rd, rd, *few)), rs1=source.choice((rd, *few)),
                      rs2=source.choice((rd, *few)))  # fmt: skip
    else:
        word = encode(BY_MNEMONIC["srli"], rd=source.choice((rd, rd, *few)), rs1=source.choice((rd, rd, *few)),
                      imm=source.choice((0, 1, 28, 29, 30, 31, 32, 33, 48, 63)))  # fmt: skip
    return [first.to_bytes(4, "little"), word.to_bytes(4, "little")]


@pytest.mark.parametrize("second", ["add", "srli"])
def test_pairs(harts, second):
    source = rng(f"pairs {second}")
    for _ in range(scaled(60)):
        words = [JUMP, *(word for _ in range(PAIRS) for word in random_pair(second, source))]
        case = Case(b"".join(words))
        case.x[1:] = [operands.integer(source) for _ in range(31)]
        got, wanted = harts[1].run(case), harts[0].run(case)
        if got != wanted:
            pytest.fail(report(case, "the interpreter", differences(got, wanted)))


@pytest.mark.parametrize("kind", ["loads", "stores", "both"])
@pytest.mark.parametrize("where", [WINDOW - 2048, WINDOW, RAM_END - 24], ids=["in a page", "across", "to the end"])
def test_accesses_with_one_base(harts, kind, where):
    # They share a look-up. Where it fails, each is by itself again, and the first that faults is the one that traps.
    loads, stores = ("lb", "lbu", "lh", "lhu", "lw", "lwu", "ld"), ("sb", "sh", "sw", "sd")
    names = {"loads": loads, "stores": stores, "both": loads + stores}[kind]
    source = rng(f"together {kind} {where}")
    for _ in range(scaled(80)):
        bases = [source.choice((10, 11, 2, 5, 20)) for _ in range(2)]
        words = [JUMP]
        for _ in range(source.randrange(2, 40)):
            row = BY_MNEMONIC[source.choice(names)]
            # Now and then the base itself is loaded: nothing behind it belongs to the same.
            held = {"rs1": source.choice(bases[:1] * 8 + bases), "imm": source.randrange(-40, 40)}
            held["rd" if "load" in row.flags else "rs2"] = source.choice((0, 12, 13, 6, 21, 31, *bases[:1]))
            words.append(encode(row, **held).to_bytes(4, "little"))
        case = Case(b"".join(words))
        case.x[1:] = [operands.integer(source) for _ in range(31)]
        for base in bases:
            case.x[base] = where + source.randrange(-8, 8)
        got, wanted = harts[1].run(case), harts[0].run(case)
        if got != wanted:
            pytest.fail(report(case, "the interpreter", differences(got, wanted)))


def test_they_are_made_one():
    # Otherwise the tests above test nothing: together they are shorter than apart.
    from vmcore._fast import jitface
    from vmcore._fast.run import Core
    from vmcore.isa.riscv.extensions import Isa

    def compiled(*words: int) -> bytes:
        core = Core(1, Isa.default().mask, tier="t1")
        core.add_ram(0x8000_0000, 1 << 20)
        core.memory.write(0x8000_0000, b"".join(word.to_bytes(4, "little") for word in (*words, 0x0000_006F)))
        assert jitface.compile_at(core, 0x8000_0000)
        code = jitface.blocks(core, 0x8000_0000)[-1]["code"]
        core.close()
        return code

    slli = encode(BY_MNEMONIC["slli"], rd=10, rs1=11, imm=3)
    add = encode(BY_MNEMONIC["add"], rd=10, rs1=10, rs2=12)
    other = encode(BY_MNEMONIC["add"], rd=13, rs1=13, rs2=12)
    assert len(compiled(slli, add)) < len(compiled(slli, other))
    first = encode(BY_MNEMONIC["ld"], rd=12, rs1=10, imm=8)
    same = encode(BY_MNEMONIC["ld"], rd=13, rs1=10, imm=16)
    another = encode(BY_MNEMONIC["ld"], rd=13, rs1=11, imm=16)
    # A look-up ends in a jump if above. Where one serves several accesses, each has another for the case that it fails.
    above = b"\x0f\x87"
    assert compiled(first, another, same).count(above) == 3
    assert compiled(first, same, same).count(above) == 1 + 3
