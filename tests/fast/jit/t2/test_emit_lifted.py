"""Guest code lifted, allocated, emitted and run, against T0: wherever it is left, after as many instructions."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from random import Random

import pytest
from support.emitted import text_of
from support.regionhart import (
    DATA,
    DATA_SIZE,
    FCSR,
    FS_INITIAL,
    ISA,
    MSTATUS,
    PAGE,
    RAM,
    RAM_SIZE,
    Interpreter,
    State,
    insn,
    page_of,
    random_state,
)

from vmcore._fast.jit.t2.emitface import Emitted
from vmcore._fast.jit.t2.liftface import Former
from vmcore._fast.jitface import stress
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import BY_MNEMONIC
from vmcore.isa.riscv.assemble import random_encoding

INTEGER = ("add", "sub", "addw", "subw", "addi", "addiw", "sll", "slliw", "srai", "sraw", "xor", "and", "ori", "mul",
           "mulw", "mulhu", "div", "remuw", "sltu", "slti", "lui", "auipc", "sh2add", "sh1add.uw", "andn", "rol",
           "rorw", "clz", "ctzw", "cpop", "max", "minu", "sext.b", "zext.h", "bext", "bseti", "rev8", "orc.b",
           "czero.eqz")  # fmt: skip
MEMORY = ("lb", "lbu", "lh", "lhu", "lw", "lwu", "ld", "sb", "sh", "sw", "sd")
FLOAT = ("fadd.d", "fmul.d", "fsub.s", "fmul.s", "fdiv.d", "fmadd.d", "fnmsub.s", "fsqrt.d", "fmin.d", "fmax.s",
         "feq.d", "flt.s", "fle.d", "fsgnj.d", "fsgnjx.s", "fcvt.d.s", "fcvt.s.d", "fcvt.w.d", "fcvt.lu.s", "fcvt.d.l",
         "fcvt.s.wu", "fmv.x.d", "fmv.w.x")  # fmt: skip
FLOAT_MEMORY = ("fld", "flw", "fsd", "fsw")
#: Registers that code is made of: those that loops count in are left alone.
WRITTEN = (5, 6, 7, 8, 10, 12, 13, 14, 15, 20, 28)
COUNTER = 9
BASE = 11


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    made = Interpreter()
    yield made
    made.close()


@pytest.fixture(scope="module")
def core() -> Iterator[Core]:
    made = Core(1, ISA, tier="t1")
    made.add_ram(RAM, RAM_SIZE)
    yield made
    made.close()


def random_insn(source: Random, name: str) -> bytes:
    """An instruction that writes none of the registers that others need as they are."""
    row = BY_MNEMONIC[name]
    held: dict[str, int] = {}
    if name in MEMORY or name in FLOAT_MEMORY:
        held = {"rs1": BASE, "imm": source.randrange(-0x100, 0x100)}
    if "rd" in row.syntax and not writes_f(name):
        held["rd"] = source.choice(WRITTEN)
    if "rm" in row.syntax:
        held["rm"] = 7
    return random_encoding(row, source, **held).to_bytes(row.size, "little")


def writes_f(name: str) -> bool:
    return name.startswith("f") and not name.startswith(("feq", "flt", "fle", "fcvt.w", "fcvt.l", "fmv.x"))


def run_both(
    core: Core, interpreter: Interpreter, page: bytes, entry: int, state: State, how: str, *, flush: bool = False
) -> int:
    """Return how many instructions were executed before it was left; 0: nothing was lifted."""
    graph = Former(page, ISA).lift(entry)
    if graph is None:
        return 0
    text = text_of(graph)
    region = Emitted(text, how=how, seed=1)
    core.memory.write(PAGE, page)
    core.fence_i()
    core.memory.write(DATA, state.data)
    core.csr_write(0, MSTATUS, FS_INITIAL)
    core.csr_write(0, FCSR, state.fcsr)
    for number in range(32):
        core.set_x(0, number, state.x[number])
        core.set_f(0, number, state.f[number])
    core.csr_write(0, MSTATUS, FS_INITIAL)
    core.set_pc(0, PAGE + entry)
    region.put(core, PAGE + entry)
    stress(core, stop=True, flush_every=int(flush))
    before = core.icount(0)
    assert core.run(max_insns=5000) in (EXITS["stop"], EXITS["budget"])
    executed = core.icount(0) - before
    right = interpreter.run(page, entry, state, executed)
    context = f"after {executed}, {how}\n{text}"
    assert core.pc(0) == right.pc, context
    assert [core.x(0, number) for number in range(32)] == right.x, context
    assert [core.f(0, number) for number in range(32)] == right.f, context
    assert (core.csr_read(0, FCSR) or 0) & 31 == right.flags, context
    assert core.memory.read(DATA, DATA_SIZE) == interpreter.data, context
    return executed


def random_loop(source: Random, names: tuple[str, ...]) -> bytes:
    """A loop with a way around in it, and one inside of it now and then."""
    inside = [random_insn(source, source.choice(names)) for _ in range(source.randrange(2, 10))]
    skipped = b"".join(random_insn(source, source.choice(names)) for _ in range(source.randrange(1, 5)))
    branch = insn(
        source.choice(("beq", "bne", "blt", "bgeu")),
        rs1=source.choice(WRITTEN),
        rs2=source.choice(WRITTEN),
        imm=len(skipped) + 4,
    )
    body = b"".join(inside) + branch + skipped + random_insn(source, "add")
    if source.random() < 0.3:
        # An inner loop, by a register that the outer one sets.
        inner = b"".join(random_insn(source, source.choice(names)) for _ in range(source.randrange(1, 5)))
        body += insn("addi", rd=18, rs1=0, imm=source.randrange(1, 6)) + inner
        body += insn("addi", rd=18, rs1=18, imm=-1) + insn("bne", rs1=18, rs2=0, imm=-len(inner) - 4)
    body += insn("addi", rd=COUNTER, rs1=COUNTER, imm=-1)
    return body + insn("bne", rs1=COUNTER, rs2=0, imm=-len(body)) + insn("jalr", rd=0, rs1=1, imm=0)


@pytest.mark.parametrize("how", ["colouring", "scan"])
@pytest.mark.parametrize("kind", ["integer", "memory", "float"])
def test_random_loops(core: Core, interpreter: Interpreter, kind: str, how: str) -> None:
    source = Random(zlib.crc32(f"{kind} {how}".encode()))
    names = {
        "integer": INTEGER,
        "memory": INTEGER + MEMORY * 3,
        "float": INTEGER[:8] + MEMORY + FLOAT * 2 + FLOAT_MEMORY * 3,
    }[kind]
    executed = []
    for turn in range(150):
        state = random_state(source)
        state.x[BASE] = DATA + source.randrange(0x100, DATA_SIZE - 0x200)
        state.x[COUNTER] = source.randrange(1, 20)
        state.x[1] = PAGE + 0x800
        state.fcsr = source.randrange(4) << 5
        executed.append(
            run_both(core, interpreter, page_of(random_loop(source, names), 256), 256, state, how, flush=turn % 3 == 0)
        )
    assert sum(count > 50 for count in executed) > 75
