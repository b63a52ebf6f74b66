"""Floating point in compiled code against the interpreter: the same registers, memory, fcsr and mstatus.FS."""

from __future__ import annotations

import struct
from itertools import product

import pytest
from support import cases, operands
from support.amount import rng, scaled
from support.fp_model import ROWS, from_x, to_x
from support.fp_patterns import edges, few_edges, integer_edges
from support.ieee754 import FORMATS
from support.lockstep import MSTATUS, PROGRAM, RAM_END, WINDOW, WINDOW_HALF, Case, VmcoreHart, differences, report

from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import BY_MNEMONIC, Isa, install
from vmcore.isa.riscv.assemble import encode

install()
BASE = 0x8000_0000
FFLAGS, FRM, FCSR = 1, 2, 3
DYNAMIC = 7
FS_OFF, FS_DIRTY = 0, 3 << 13


def word(mnemonic: str, **held: int) -> bytes:
    row = BY_MNEMONIC[mnemonic]
    fields = {name: value for name, value in held.items() if name == "imm" or row.format.field(name)[1]}
    return encode(row, **fields).to_bytes(row.size, "little")


# --- every operation on every pair of telling operands -------------------------------------------------------------

PLAIN = sorted(name for name in ROWS if name[-1] in "sd" or name.split(".")[-1] in ("w", "wu", "l", "lu", "x"))
PLAIN = [name for name in PLAIN if "h" not in name.split(".")[1:] and not name.startswith("fli")]
# Destination and three sources: pinned in the host's registers, not pinned, and on top of one another.
REGISTERS = ((10, 11, 12, 13), (20, 18, 19, 21), (11, 11, 12, 13), (12, 11, 12, 13), (13, 11, 12, 13),
             (18, 18, 19, 21), (19, 18, 19, 21), (21, 18, 19, 21), (22, 14, 22, 22))  # fmt: skip


def operand_table(name: str) -> list[tuple[int, int, int]]:
    if from_x(name):
        return [(value, -1 % 2**64, -1 % 2**64) for value in integer_edges()]
    single = name.endswith((".s", ".x.w"))
    form = FORMATS["f32" if single else "f64"]
    box = 0xFFFFFFFF00000000 if single else 0
    arity = 1 if name.startswith(("fsqrt", "fcvt", "fmv")) else 2
    if name.startswith(("fmadd", "fmsub", "fnm")):
        arity = 3
    pool = [box | value for value in (few_edges(form) if arity > 1 else edges(form))]
    if arity > 1:
        pool += [box | value for value in edges(form)[::7]]
    if single:
        # No proper boxes.
        pool += [0x7F800001, 0x3FF0000000000000, 0xFFFFFFFE3F800000]
    if arity == 3:
        pool = [*pool[::2], box | form.infinity, box, box | form.nan, box | form.infinity | 1]
    return [(*values, box, box)[:3] for values in product(pool, repeat=arity)]


def loop_over(name: str, rm: int, registers: tuple[int, int, int, int], count: int) -> bytes:
    """A loop that loads operands, executes the instruction with no flag set, and stores fd, xd and fcsr."""
    rd, rs1, rs2, rs3 = registers
    # x5: operands, x6: results, x7: how many are left, x10: destination, x11: source.
    body = [word("fld", rd=register, rs1=5, imm=8 * i) for i, register in enumerate((rs1, rs2, rs3))]
    body += [word("ld", rd=11, rs1=5, imm=0)] if from_x(name) else []
    body += [word("csrrw", rd=0, rs1=0, imm=FFLAGS)]
    row = ROWS[name]
    held = {"rd": 10 if to_x(name) else rd, "rs1": 11 if from_x(name) else rs1, "rs2": rs2, "rs3": rs3, "rm": rm}
    body += [encode(row, **{key: v for key, v in held.items() if row.format.field(key)[1]}).to_bytes(4, "little")]
    body += [
        word("fsd", rs1=6, rs2=rd, imm=0), word("sd", rs1=6, rs2=10, imm=8),
        word("csrrs", rd=12, rs1=0, imm=FCSR), word("sd", rs1=6, rs2=12, imm=16),
        word("addi", rd=5, rs1=5, imm=24), word("addi", rd=6, rs1=6, imm=24), word("addi", rd=7, rs1=7, imm=-1),
    ]  # fmt: skip
    loop = b"".join(body)
    return loop + word("bne", rs1=7, rs2=0, imm=-len(loop)) + word("jal", rd=0, imm=0)


@pytest.fixture(scope="module")
def tiers():
    cores = [Core(1, Isa.default().mask, tier=tier) for tier in ("t0", "t1")]
    for core in cores:
        core.add_ram(BASE, 0x80_0000)
    yield cores
    for core in cores:
        core.close()


def results(core: Core, code: bytes, table: bytes, frm: int) -> tuple[bytes, int]:
    data, out = BASE + 0x10_0000, BASE + 0x40_0000
    count = len(table) // 24
    core.memory.write(BASE, code)
    core.memory.write(data, table)
    core.fence_i()
    core.csr_write(0, MSTATUS, 1 << 13)
    core.csr_write(0, FCSR, frm << 5)
    for register, value in ((5, data), (6, out), (7, count), (10, 0)):
        core.set_x(0, register, value)
    for register in range(32):
        core.set_f(0, register, 0x0123456789ABCDEF)
    core.set_pc(0, BASE)
    end = BASE + len(code) - 4
    core.probe_add(end)
    assert core.run(max_insns=20 * count + 200) == EXITS["probe"]
    core.probe_remove(end)
    return core.memory.read(out, 24 * count), core.csr_read(0, MSTATUS) or 0


@pytest.mark.parametrize("name", PLAIN)
def test_telling_operands(tiers, name):
    source = rng(f"tiers {name}")
    operand_list = operand_table(name)
    table = b"".join(struct.pack("<3Q", *values) for values in operand_list)
    modes = [(DYNAMIC, frm) for frm in range(5)] + [(rm, source.randrange(4)) for rm in range(5)]
    if not ROWS[name].format.field("rm")[1]:
        modes = [(0, 0), (0, 3)]
    for rm, frm in modes:
        code = loop_over(name, rm, source.choice(REGISTERS), len(operand_list))
        before = tiers[1].stats()["t1_insns"]
        wanted, got = (results(core, code, table, frm) for core in tiers)
        if got != wanted:
            for i, values in enumerate(operand_list):
                a, b = (struct.unpack_from("<3Q", side[0], 24 * i) for side in (got, wanted))
                shown = ", ".join(f"{value:#x}" for value in values)
                assert a == b, f"{name} {rm=} {frm=} of {shown}: {[*map(hex, a)]}, not {[*map(hex, b)]}"
            assert got[1] == wanted[1]
        if frm < 4:
            # The handlers that are called count as compiled code; what is not boxed leaves it.
            assert tiers[1].stats()["t1_insns"] - before > 4 * len(operand_list)


# --- random programs ------------------------------------------------------------------------------------------------

COUNTER, BASE_REGISTER, BAD = 8, 9, 31
ARITHMETIC = ("fadd", "fsub", "fmul", "fmul", "fadd", "fdiv", "fsqrt", "fmadd", "fmsub", "fnmadd", "fnmsub")
OTHERS = ("fsgnj", "fsgnjn", "fsgnjx", "fmin", "fmax", "feq", "flt", "fle", "fclass")
CONVERSIONS = tuple(name for name in PLAIN if name.startswith(("fcvt", "fmv")))
MEMORY = ("fld", "fsd", "flw", "fsw", "flh", "fsh", "ld", "sd")
RARE = ("fadd.h", "fround.d", "fmaxm.s", "fli.d", "fcvt.h.d", "clmul", "cpop", "xperm8")


def random_word(source, doubles: list[int], singles: list[int]) -> bytes:
    """One instruction on a few registers, so that results are soon operands, mostly of their own format."""

    def register(suffix: str) -> int:
        return source.choice(singles if (suffix in "swh") != (source.randrange(40) == 0) else doubles)

    kind = source.randrange(40)
    x = {name: source.choice((0, 10, 11, 12, 20)) for name in ("rd", "rs1", "rs2")}
    rm = DYNAMIC if source.randrange(10) else source.randrange(5)
    suffix = source.choice("dds")
    if kind < 20:
        name = f"{source.choice(ARITHMETIC)}.{suffix}"
    elif kind < 26:
        name = f"{source.choice(OTHERS)}.{suffix}"
    elif kind < 29:
        name = source.choice(CONVERSIONS)
    elif kind < 36:
        name = source.choice(MEMORY)
        size = cases.access_size(BY_MNEMONIC[name])
        # Some are misaligned; a few go across the page's end, or nowhere.
        at = source.randrange(-WINDOW_HALF, WINDOW_HALF - size)
        at &= -1 if source.randrange(10) == 0 else -size
        base = BAD if source.randrange(150) == 0 else BASE_REGISTER
        data = source.choice((10, 11, 12)) if name in ("ld", "sd") else register(name[-1])
        return word(name, rd=data, rs2=data, rs1=base, imm=at)
    elif kind == 36:
        return source.choice((
            word("csrrs", rd=x["rd"], rs1=0, imm=FFLAGS), word("csrrs", rd=x["rd"], rs1=0, imm=FCSR),
            word("csrrwi", rd=x["rd"], rs1=source.randrange(32), imm=FFLAGS),
            word("csrrwi", rd=x["rd"], rs1=source.choice((0, 0, 1, 2, 3, 4)), imm=FRM),
            word("sfence.vma", rs1=0, rs2=0),
        ))  # fmt: skip
    elif kind == 37:
        name = source.choice(RARE)
    else:
        return word(source.choice(("add", "xor", "mul", "andn", "sh2add", "max")), **x)
    if name not in ROWS:
        return word(name, **x)
    parts = name.split(".")
    held = {field: register(parts[-1]) for field in ("rs1", "rs2", "rs3")} | {"rd": register(parts[1]), "rm": rm}
    if to_x(name):
        held["rd"] = x["rd"]
    if from_x(name):
        held["rs1"] = x["rs1"]
    return word(name, **held)


def random_program(source) -> Case:
    """A counted loop around straight pieces, some of which are branched over."""
    case = Case(b"", PROGRAM + source.choice((0, 0, 4096 - 4 * source.randrange(60))))
    cases.registers(source, case, cases.Style(modes=(0, 0, 0, 0, 0, 1, 2, 3, 3, 2, 1, 4, 5)))
    chosen = source.sample(range(32), source.randrange(4, 14))
    doubles, singles = chosen[: len(chosen) * 2 // 3], chosen[len(chosen) * 2 // 3 :]
    for registers, form in ((doubles, "f64"), (singles, "f32")):
        for register in registers:
            case.f[register] = operands.float_register(source, form, boxes=True)
    case.x[COUNTER], case.x[BASE_REGISTER] = source.randrange(1, 12), WINDOW
    case.x[BAD] = RAM_END + source.randrange(1 << 20)
    body: list[bytes] = []
    for _ in range(source.randrange(2, 8)):
        piece = b"".join(random_word(source, doubles, singles) for _ in range(source.randrange(1, 9)))
        if source.randrange(2):
            name = source.choice(("beq", "bne", "blt", "bgeu"))
            body.append(word(name, rs1=source.choice((10, 11)), rs2=source.choice((0, 12)), imm=len(piece) + 4))
        body.append(piece)
        if source.randrange(3) == 0:
            # An indirect jump, to the next instruction.
            body.append(word("auipc", rd=5, imm=0) + word("jalr", rd=0, rs1=5, imm=8))
    loop = b"".join(body) + word("addi", rd=COUNTER, rs1=COUNTER, imm=-1)
    case.code = loop + word("bne", rs1=COUNTER, rs2=0, imm=-len(loop))
    return case


def state_after(hart: VmcoreHart, case: Case, fs: int) -> tuple:
    hart.prepare(case)
    hart.core.csr_write(0, MSTATUS, fs)
    # The budget ends exactly, wherever that is.
    hart.core.run(max_insns=20_000)
    after = hart.outcome()
    mstatus, count = hart.core.csr_read(0, MSTATUS), hart.core.csr_read(0, 0xB02)
    hart.finish(case)
    return after, mstatus, count


@pytest.fixture(scope="module")
def harts():
    both = VmcoreHart(tier="t0"), VmcoreHart(tier="t1")
    yield both
    for hart in both:
        hart.close()


def compare(harts, case: Case, fs: int) -> None:
    started = [hart.core.csr_read(0, 0xB02) for hart in harts]
    (wanted, status0, count0), (got, status1, count1) = (state_after(hart, case, fs) for hart in harts)
    found = differences(got, wanted)
    if status0 != status1:
        found.append(f"mstatus: compiled {status1:#x}, interpreted {status0:#x}")
    if count1 - started[1] != count0 - started[0]:
        found.append(f"instructions: compiled {count1 - started[1]}, interpreted {count0 - started[0]}")
    if found:
        pytest.fail(report(case, "the interpreter", found))


@pytest.mark.parametrize("part", range(8))
def test_random_programs(harts, part):
    source = rng(f"tiers fp {part}")
    compiled = harts[1].core.stats()["t1_insns"]
    ran = harts[1].core.stats()["instructions"]
    for _ in range(scaled(150)):
        compare(harts, random_program(source), source.choice((1, 1, 1, 2, 3)) << 13)
    stats = harts[1].core.stats()
    assert stats["t1_insns"] - compiled > (stats["instructions"] - ran) // 3


def test_nothing_is_executed_while_floating_point_is_off(harts):
    source = rng("tiers fp off")
    for _ in range(scaled(30)):
        compare(harts, random_program(source), FS_OFF)


def test_a_loop_that_is_cut_off_anywhere_leaves_canonical_nans(harts):
    # inf - inf in every register of the loop; the budget ends in the middle of compiled code's neighbourhood.
    source = rng("tiers fp cut")
    nans = [0x7FF0000000000000, 0xFFF0000000000000, 0xFFF8000000000123, 0x7FF0000000000001]
    body = b"".join(
        word(name, rd=rd, rs1=rs1, rs2=rs2, rm=DYNAMIC)
        for name, rd, rs1, rs2 in (("fsub.d", 10, 11, 11), ("fadd.d", 0, 10, 12), ("fmul.d", 20, 0, 10),
                                   ("fadd.d", 21, 20, 20), ("fdiv.d", 13, 11, 11), ("fadd.s", 14, 15, 15))
    )  # fmt: skip
    loop = body + word("addi", rd=COUNTER, rs1=COUNTER, imm=-1)
    case = Case(loop + word("bne", rs1=COUNTER, rs2=0, imm=-len(loop)))
    case.x[COUNTER] = 1000
    for most in range(100, 260, 7):
        case.f[:] = [source.choice(nans) for _ in range(32)]
        outcomes = []
        for hart in harts:
            hart.prepare(case)
            hart.core.run(max_insns=most)
            outcomes.append((hart.outcome(), hart.core.pc(0), hart.core.csr_read(0, MSTATUS)))
            hart.finish(case)
        assert outcomes[1] == outcomes[0]
        assert outcomes[0][0].f[10] == 0x7FF8000000000000
