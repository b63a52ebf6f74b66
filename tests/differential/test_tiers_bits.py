"""Bit manipulation in compiled code against the interpreter, whatever registers the operands are in."""

from __future__ import annotations

import pytest
from support import operands
from support.amount import rng, scaled
from support.lockstep import Case, VmcoreHart, differences, report

from vmcore.isa.riscv import BY_MNEMONIC
from vmcore.isa.riscv.assemble import encode

NAMES = (
    "add.uw", "sh1add", "sh2add", "sh3add", "sh1add.uw", "sh2add.uw", "sh3add.uw", "slli.uw", "andn", "orn", "xnor",
    "clz", "clzw", "ctz", "ctzw", "cpop", "cpopw", "max", "maxu", "min", "minu", "sext.b", "sext.h", "zext.h", "rol",
    "rolw", "ror", "rorw", "rori", "roriw", "orc.b", "rev8", "bclr", "bclri", "bext", "bexti", "binv", "binvi",
    "bset", "bseti", "pack", "packh", "packw", "brev8", "xperm4", "xperm8", "czero.eqz", "czero.nez", "clmul",
)  # fmt: skip
# x0; in the host's registers; in memory.
REGISTERS = (0, 10, 11, 8, 2, 5, 20, 31)
REPEATS = 40
JUMP = encode(BY_MNEMONIC["jal"], rd=0, imm=4).to_bytes(4, "little")


@pytest.fixture(scope="module")
def harts():
    both = VmcoreHart(tier="t0"), VmcoreHart(tier="t1")
    yield both
    for hart in both:
        hart.close()


def random_word(name: str, source) -> bytes:
    row = BY_MNEMONIC[name]
    held = {field: source.choice(REGISTERS) for field in ("rd", "rs1", "rs2") if row.format.field(field)[1]}
    if row.format.bits:
        held["imm"] = source.choice((0, 1, 31, 2**row.format.bits - 1, source.randrange(2**row.format.bits)))
    return encode(row, **held).to_bytes(4, "little")


@pytest.mark.parametrize("name", NAMES)
def test_row(harts, name):
    source = rng(f"tiers {name}")
    compiled = harts[1].core.stats()["t1_insns"]
    for _ in range(scaled(20)):
        # What is jumped to is compiled.
        words = [JUMP, *(random_word(name, source) for _ in range(REPEATS))]
        case = Case(b"".join(words))
        case.x[1:] = [operands.integer(source) for _ in range(31)]
        got, wanted = harts[1].run(case), harts[0].run(case)
        if got != wanted:
            pytest.fail(report(case, "the interpreter", differences(got, wanted)))
    assert harts[1].core.stats()["t1_insns"] - compiled >= scaled(20) * REPEATS
