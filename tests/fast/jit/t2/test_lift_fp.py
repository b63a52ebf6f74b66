"""Floating point: results, flags, NaNs and mstatus.FS are those of the interpreter, wherever a region is left."""

from __future__ import annotations

import pytest
from support.amount import rng, scaled
from support.regionhart import BASE, ISA, Interpreter, compare, insn, page_of, random_state
from support.regions import snapshots

from vmcore._fast.jit.t2.liftface import Former
from vmcore.isa.riscv import BY_MNEMONIC

DYN, RNE, RTZ, RMM = 7, 0, 1, 4
#: Pinned ones and others.
REGISTERS = (0, 1, 8, 10, 14, 20, 31)
INTEGERS = (5, 6, 10, 28)

BOTH_ROUNDED = ["fadd", "fsub", "fmul", "fdiv", "fsqrt", "fmadd", "fmsub", "fnmsub", "fnmadd", "fcvt.w", "fcvt.wu",
                "fcvt.l", "fcvt.lu"]  # fmt: skip
BOTH_PLAIN = ["fmin", "fmax", "feq", "flt", "fle", "fsgnj", "fsgnjn", "fsgnjx"]
ROUNDED = [f"{name}.{suffix}" for suffix in "ds" for name in BOTH_ROUNDED]
ROUNDED += ["fcvt.s.d", "fcvt.s.w", "fcvt.s.wu", "fcvt.s.l", "fcvt.s.lu", "fcvt.d.l", "fcvt.d.lu"]
EXACT = ["fcvt.d.w", "fcvt.d.wu", "fcvt.d.s"]
PLAIN = [f"{name}.{suffix}" for suffix in "ds" for name in BOTH_PLAIN]
PLAIN += ["fmv.x.d", "fmv.x.w", "fmv.d.x", "fmv.w.x"]
MEMORY = ["fld", "flw", "fsd", "fsw"]


@pytest.fixture(scope="module")
def interpreter():
    one = Interpreter()
    yield one
    one.close()


def integer_fields(name):
    """Which operands are integer registers."""
    parts = name.split(".")
    found = set()
    if parts[0] in ("feq", "flt", "fle") or (parts[0] in ("fcvt", "fmv") and parts[1] in ("w", "wu", "l", "lu", "x")):
        found.add("rd")
    if parts[0] in ("fcvt", "fmv") and parts[2] in ("w", "wu", "l", "lu", "x"):
        found.add("rs1")
    if parts == ["fmv", "w", "x"]:
        found = {"rs1"}
    return found


def random_insn(source, name):
    row = BY_MNEMONIC[name]
    whole = integer_fields(name)
    held = {field: source.choice(INTEGERS if field in whole else REGISTERS)
            for field in ("rd", "rs1", "rs2", "rs3") if field in row.syntax}  # fmt: skip
    if "rd" in whole and source.randrange(8) == 0:
        held["rd"] = 0
    if "rs2" in held and source.randrange(3) == 0:
        held["rs2"] = held["rs1"]
    if name in MEMORY:
        held |= {"rs1": BASE, "imm": source.randrange(-200, 200)}
    if name in ROUNDED:
        held["rm"] = RTZ if name.split(".")[1] in ("w", "wu", "l", "lu") and source.randrange(2) else DYN
    elif name in EXACT:
        held["rm"] = source.choice((DYN, RNE, RMM))
    return insn(name, **held)


@pytest.mark.parametrize("name", ROUNDED + EXACT + PLAIN + MEMORY)
def test_each_instruction(interpreter, name):
    source = rng(f"lift {name}")
    for _ in range(scaled(6)):
        # What an arithmetic instruction before and a store behind make of it is looked at too.
        names = [name if source.randrange(3) else source.choice(("fadd.d", "fmul.s", "fsd", "fmv.x.d", "fsgnj.d"))
                 for _ in range(10)]  # fmt: skip
        state = random_state(source)
        state.fcsr = source.randrange(4) << 5
        code = b"".join(random_insn(source, one) for one in names)
        graph = compare(interpreter, page_of(code), 0, state, leave_at=(2, 3, 5))
        assert graph["fpu"]
        assert graph["insns"] == 10


def test_loops(interpreter):
    source = rng("fp loops")
    names = ROUNDED + PLAIN + MEMORY
    for _ in range(scaled(25)):
        head = [random_insn(source, source.choice(names)) for _ in range(source.randrange(1, 6))]
        body = [random_insn(source, source.choice(names)) for _ in range(source.randrange(1, 10))]
        code = b"".join([
            *head, *body, insn("addi", rd=20, rs1=20, imm=-1), insn("bne", rs1=20, rs2=0, imm=-4 * len(body) - 4),
            *head,
        ])  # fmt: skip
        state = random_state(source)
        state.x[20] = 4
        state.fcsr = source.randrange(4) << 5
        page = page_of(code)
        for entry in (0, 4 * len(head)):
            compare(interpreter, page, entry, state, leave_at=[source.randrange(1, 20) for _ in range(4)])


@pytest.mark.parametrize(("name", "rm"), [("fadd.d", RNE), ("fadd.s", RTZ), ("fcvt.w.d", RMM), ("fcvt.l.s", 2),
                                          ("fcvt.s.d", RNE), ("fcvt.d.w", 5)])  # fmt: skip
def test_modes_of_their_own_are_left_alone(name, rm):
    code = insn("addi", rd=5, rs1=5, imm=1) + int.to_bytes(
        int.from_bytes(insn(name, rd=10, rs1=10, rm=DYN), "little") & ~(7 << 12) | rm << 12, 4, "little"
    )
    assert Former(page_of(code), ISA).form(0)["insns"] == 1


def test_half_precision_is_left_alone():
    for word in (insn("fadd.h", rd=1, rs1=1, rs2=1, rm=DYN), insn("flh", rd=1, rs1=5), insn("fclass.d", rd=5, rs1=1)):
        assert Former(page_of(word), ISA).form(0)["refused"] == "first"


def test_singles_stay_out_of_their_boxes():
    # Behind the first reads of its operands nothing is taken out of a box.
    code = b"".join([
        insn("fmul.s", rd=1, rs1=2, rs2=3, rm=DYN), insn("fadd.s", rd=1, rs1=1, rs2=2, rm=DYN),
        insn("fsgnj.s", rd=4, rs1=1, rs2=1), insn("fsub.s", rd=5, rs1=4, rs2=1, rm=DYN), insn("fsw", rs1=10, rs2=5),
    ])  # fmt: skip
    graph = Former(page_of(code), ISA).lift(0)
    taken_out = [node["a"] for node in graph["nodes"].values() if node["op"] == "unbox"]
    assert {graph["nodes"][n]["op"] for n in taken_out} == {"entry"}


def test_integer_regions_leave_the_fpu_alone():
    graph = Former(page_of(insn("addi", rd=5, rs1=5, imm=1)), ISA).lift(0)
    assert not graph["fpu"]
    assert all(register < 32 for snap in snapshots(graph) for register in snap["regs"])
