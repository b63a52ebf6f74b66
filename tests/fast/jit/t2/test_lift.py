"""The graph of a region does what the interpreter does, wherever it is left."""

from __future__ import annotations

import pytest
from support.amount import rng, scaled
from support.regionhart import BASE, ISA, PAGE, Interpreter, compare, insn, page_of, random_state
from support.regions import Machine, Memory, check

from vmcore._fast.jit.t2.liftface import Former
from vmcore.isa.riscv import BY_MNEMONIC
from vmcore.isa.riscv.assemble import random_encoding

REGISTERS = (5, 6, 10, 12, 13, 20, 28)

INTEGER = [
    "add", "sub", "and", "or", "xor", "sll", "srl", "sra", "slt", "sltu", "addw", "subw", "sllw", "srlw", "sraw",
    "addi", "andi", "ori", "xori", "slti", "sltiu", "slli", "srli", "srai", "addiw", "slliw", "srliw", "sraiw",
    "lui", "auipc", "mul", "mulh", "mulhu", "mulhsu", "mulw", "div", "divu", "rem", "remu", "divw", "divuw", "remw",
    "remuw", "add.uw", "sh1add", "sh2add", "sh3add", "sh1add.uw", "sh2add.uw", "sh3add.uw", "slli.uw", "andn",
    "orn", "xnor", "clz", "clzw", "ctz", "ctzw", "cpop", "cpopw", "max", "maxu", "min", "minu", "sext.b", "sext.h",
    "zext.h", "rol", "rolw", "ror", "rori", "rorw", "roriw", "orc.b", "rev8", "bclr", "bclri", "bext", "bexti",
    "binv", "binvi", "bset", "bseti", "pack", "packh", "packw", "czero.eqz", "czero.nez",
]  # fmt: skip
LOADS = ["lb", "lbu", "lh", "lhu", "lw", "lwu", "ld"]
STORES = ["sb", "sh", "sw", "sd"]
BRANCHES = ["beq", "bne", "blt", "bge", "bltu", "bgeu"]
AMOUNTS = {"slli": 64, "srli": 64, "srai": 64, "slliw": 32, "srliw": 32, "sraiw": 32, "rori": 64, "roriw": 32,
           "slli.uw": 64, "bclri": 64, "bexti": 64, "binvi": 64, "bseti": 64}  # fmt: skip


@pytest.fixture(scope="module")
def interpreter():
    one = Interpreter()
    yield one
    one.close()


def random_insn(source, name):
    syntax = BY_MNEMONIC[name].syntax
    held = {field: source.choice(REGISTERS) for field in ("rd", "rs1", "rs2") if field in syntax}
    if source.randrange(12) == 0 and "rd" in held:
        held["rd"] = 0
    if source.randrange(12) == 0 and "rs1" in held:
        held["rs1"] = 0
    if name in AMOUNTS:
        held["imm"] = source.randrange(AMOUNTS[name])
    elif name in ("lui", "auipc"):
        held["imm"] = source.randrange(-(1 << 19), 1 << 19) << 12
    elif name in LOADS or name in STORES:
        held |= {"rs1": BASE, "imm": source.randrange(-200, 200)}
    elif "imm" in syntax:
        held["imm"] = source.randrange(-2048, 2048)
    return insn(name, **held)


@pytest.mark.parametrize("name", INTEGER + LOADS + STORES)
def test_each_instruction(interpreter, name):
    source = rng(f"lift {name}")
    for _ in range(scaled(4)):
        code = b"".join(random_insn(source, name) for _ in range(8))
        state = random_state(source)
        graph = compare(interpreter, page_of(code), 0, state, leave_at=(1, 3, 8))
        assert graph is not None
        assert graph["insns"] == 8


@pytest.mark.parametrize("count", [10, 63, 64, 65, 150, 400])
def test_straight_code(interpreter, count):
    # Long code is polled on the way, before more is executed than may be.
    source = rng(f"straight {count}")
    for _ in range(scaled(3)):
        names = [source.choice(source.choice((INTEGER, LOADS, STORES))) for _ in range(count)]
        code = b"".join(random_insn(source, name) for name in names)
        graph = compare(
            interpreter,
            page_of(code),
            0,
            random_state(source),
            budget=10_000,
            leave_at=[source.randrange(1, count) for _ in range(4)],
        )
        assert graph["insns"] == count
        polls = [n for n in graph["nodes"].values() if n["op"] == "poll"]
        assert len(polls) == (count - 1) // 64


def random_flow(source, blocks, calls):
    """Blocks of a few instructions that branch to one another at will, and functions behind them."""
    starts = []
    parts = []
    at = 0
    sizes = [source.randrange(0, 7) for _ in range(blocks)]
    for size in sizes:
        starts.append(at)
        at += 4 * (size + 2)
    functions = []
    for _ in range(calls):
        functions.append(at)
        at += 4 * 4
    for index, size in enumerate(sizes):
        code = [random_insn(source, source.choice(INTEGER + LOADS + STORES)) for _ in range(size)]
        off = starts[index] + 4 * size
        target = source.choice(starts)
        kind = source.randrange(10)
        if kind < 6:
            code.append(insn(source.choice(BRANCHES), rs1=source.choice(REGISTERS), rs2=source.choice((0, *REGISTERS)),
                             imm=target - off))  # fmt: skip
        elif functions and kind < 9:
            code.append(insn("jal", rd=1, imm=source.choice(functions) - off))
        else:
            code.append(insn("addi", rd=5, rs1=5, imm=1))
        target = source.choice(starts) if source.randrange(4) == 0 else at if index + 1 == blocks else off + 8
        code.append(insn("jal", rd=0, imm=target - off - 4))
        parts += code
    for index in range(len(functions)):
        code = [random_insn(source, source.choice(INTEGER + LOADS)) for _ in range(3)]
        if source.randrange(3) == 0 and index + 1 < len(functions):
            # One function ends in another one.
            code[2] = insn("jal", rd=0, imm=8)
        elif source.randrange(6) == 0:
            # It returns elsewhere.
            code[1] = insn("addi", rd=1, rs1=1, imm=4)
        parts += [*code, insn("jalr", rd=0, rs1=1, imm=0)]
    return b"".join(parts), starts


@pytest.mark.parametrize("calls", [0, 3])
def test_random_flow(interpreter, calls):
    source = rng(f"flow {calls}")
    loops = joined = 0
    for _ in range(scaled(60)):
        code, starts = random_flow(source, source.randrange(2, 14), calls)
        page = page_of(code)
        entry = source.choice(starts)
        former = Former(page, ISA, limit=source.choice((20, 60, 500)))
        graph = compare(
            interpreter,
            page,
            entry,
            random_state(source),
            former=former,
            leave_at=[source.randrange(1, 30) for _ in range(6)],
        )
        formed = former.form(entry)
        loops += formed["loop"]
        joined += any(place["context"] for place in formed["places"])
        assert graph is not None
        assert formed["insns"] == sum(place["insns"] for place in formed["places"]) == graph["insns"]
    assert loops
    assert bool(joined) == bool(calls)


def test_compressed_code(interpreter):
    source = rng("compressed")
    code = b"".join([
        insn("c.addi", rd=10, imm=-1), insn("c.mv", rd=12, rs2=10), insn("c.slli", rd=12, imm=5),
        insn("c.sd", rs1=BASE, rs2=12, imm=16), insn("c.lw", rs1=BASE, rd=13, imm=4), insn("c.xor", rd=13, rs2=12),
        insn("c.bnez", rs1=10, imm=-12),
    ])  # fmt: skip
    state = random_state(source)
    state.x[BASE] &= ~7
    state.x[10] = 5
    graph = compare(interpreter, page_of(code, 0x102), 0x102, state, leave_at=range(1, 12))
    assert graph["insns"] == 7


def test_it_leaves_where_the_page_ends(interpreter):
    source = rng("end")
    last = page_of(insn("addi", rd=5, rs1=5, imm=1), 4092)
    compare(interpreter, last, 4092, random_state(source))
    # An instruction of which half lies behind the page is not executed.
    straddling = page_of(insn("c.addi", rd=5, imm=1) + insn("addi", rd=5, rs1=5, imm=1)[:2], 4092)
    graph = compare(interpreter, straddling, 4092, random_state(source))
    assert graph["insns"] == 1


def test_far_branches(interpreter):
    source = rng("far")
    for imm in (-0x400, 0xC00):
        state = random_state(source)
        code = insn("beq", rs1=5, rs2=6, imm=imm) + insn("jal", rd=1, imm=imm * 4)
        for six in (state.x[5], state.x[5] ^ 1):
            state.x[6] = six
            compare(interpreter, page_of(code, 0x200), 0x200, state)


@pytest.mark.parametrize("name", ["ecall", "fence.i", "wfi", "amoadd.w", "lr.w", "csrrs", "mret"])
def test_what_is_not_lifted_is_left_alone(interpreter, name):
    other = insn(name, **({"rd": 6, "rs1": 5} if name in ("amoadd.w", "lr.w") else {}))
    code = insn("addi", rd=5, rs1=5, imm=1) * 3 + other + insn("addi", rd=5, rs1=5, imm=1)
    page = page_of(code)
    graph = compare(interpreter, page, 0, random_state(rng(name)))
    assert graph["insns"] == 3
    assert Former(page, ISA).lift(12) is None
    assert Former(page, ISA).form(12)["refused"] == "first"


def test_fences_are_nothing_where_one_thread_runs_all_harts():
    page = page_of(insn("addi", rd=5, rs1=5, imm=1) + insn("fence", imm=0x0FF) + insn("addi", rd=5, rs1=5, imm=1))
    assert Former(page, ISA).form(0)["insns"] == 3
    assert Former(page, ISA, harts=2).form(0)["insns"] == 3
    assert Former(page, ISA, harts=2, parallel=True).form(0)["insns"] == 1


def test_jumps_through_registers(interpreter):
    source = rng("jalr")
    for rd, rs1, imm in ((0, 5, 0), (1, 5, -7), (5, 5, 16), (1, 1, 0), (0, 1, 0)):
        state = random_state(source)
        state.x[rs1] = PAGE + 0x321
        compare(interpreter, page_of(insn("addi", rd=6, rs1=6, imm=1) + insn("jalr", rd=rd, rs1=rs1, imm=imm)), 0,
                state)  # fmt: skip


def test_a_return_is_guarded(interpreter):
    # The function saves its return address, and reloads it: it may have become another one.
    code = b"".join([
        insn("jal", rd=1, imm=12), insn("addi", rd=10, rs1=10, imm=-1), insn("bne", rs1=10, rs2=0, imm=-8),
        insn("sd", rs1=BASE, rs2=1, imm=0), insn("add", rd=1, rs1=1, rs2=12), insn("jalr", rd=0, rs1=1, imm=0),
    ])  # fmt: skip
    source = rng("guard")
    for change in (0, 4):
        state = random_state(source)
        state.x[12], state.x[10] = change, 3
        graph = compare(interpreter, page_of(code), 0, state, leave_at=range(1, 12))
    assert graph["insns"] == 6
    guards = [n for n in graph["nodes"].values() if n["op"] == "leave_if"]
    assert len(guards) == 1
    left = Machine(graph, PAGE, state.x, Memory(state.x[BASE] & ~4095, bytearray(8192)), state.f).run()
    assert (left.pc, left.kind) == (PAGE + 20, 0)


def test_loop_arguments_are_what_the_loop_writes():
    code = insn("addi", rd=5, rs1=5, imm=1) + insn("add", rd=6, rs1=7, rs2=8) + insn("bne", rs1=5, rs2=9, imm=-8)
    graph = Former(page_of(code), ISA).lift(0)
    check(graph)
    assert sum(node["op"] == "arg" for node in graph["nodes"].values()) == 2


def test_random_pages(interpreter):
    # Anything that decodes, at any offset, compressed or not, with holes that are cold.
    source = rng("pages")
    rows = [row for row in BY_MNEMONIC.values() if row.mnemonic not in ("jalr", "c.jr", "c.jalr")]
    lifted = 0
    for _ in range(scaled(12)):
        page = bytearray(4096)
        at = 0
        while at < 4096:
            row = source.choice(rows)
            # Encodings that lie within the page, one behind the other.
            word = random_encoding(row, source).to_bytes(row.size, "little")
            page[at : at + row.size] = word[: 4096 - at]
            at += row.size
        cold = source.randrange(0, 4096, 2)
        warm = [off for off in range(0, 4096, 2) if not cold <= off < cold + 200]
        former = Former(page, ISA, warm=warm, limit=source.choice((10, 100, 500)))
        for _ in range(20):
            entry = source.choice(warm)
            graph = compare(interpreter, bytes(page), entry, random_state(source), former=former, leave_at=(1, 2, 3))
            lifted += graph is not None and graph["insns"] > 2
            header = former.header(entry)
            assert header is None or former.form(header)["insns"] <= 500
    assert lifted > 10
