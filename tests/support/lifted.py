"""Regions of guest code as text, passes over them, and what they then do against the interpreter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from support.emitted import text_of
from support.regionhart import DATA, DATA_SIZE, ISA, PAGE, Interpreter, State, insn, page_of

from vmcore._fast.jit.t2.emitface import Emitted
from vmcore._fast.jit.t2.face import Region
from vmcore._fast.jit.t2.liftface import Former
from vmcore._fast.jitface import stress
from vmcore._fast.run import Core


def lifted(page: bytes, entry: int, *, former: Former | None = None) -> Region | None:
    """Return the region at that offset of a page, or None."""
    graph = (former or Former(page, ISA)).lift(entry)
    return None if graph is None else Region.from_text(text_of(graph))


def run_passes(region: Region, names: Iterable[str]) -> None:
    for name in names:
        region.run_pass(name)
        assert region.verify() is None, name


def compare_left(interpreter: Interpreter, region: Region, page: bytes, entry: int, state: State, *,
                 leave_at: Sequence[int] = (0,), budget: int = 300) -> list[dict[str, Any]]:  # fmt: skip
    """Run a region, leave it at each of these places, and compare what the guest then has with the interpreter."""
    registers = {n: state.x[n] for n in range(1, 32)} | {32 + n: state.f[n] for n in range(32)}
    runs = []
    for place in leave_at:
        memory = bytearray(state.data)
        left = region.evaluate(registers, memory=memory, base=DATA, page=PAGE, leave_at=place, budget=budget,
                               frm=state.fcsr >> 5)  # fmt: skip
        said = f"leaving at {place} after {left['executed']} in block {left['block']}\n{region.text(renumber=False)}"
        assert left["how"] in ("snap", "to"), f"{left['what']}: {said}"
        right = interpreter.run(page, entry, state, left["executed"])
        assert left["pc"] == right.pc, f"pc {left['pc']:#x}, T0 {right.pc:#x}: {said}"
        both = left["regs"]
        wrong = {f"x{n}": (hex(both[n]), hex(right.x[n])) for n in range(1, 32) if both[n] != right.x[n]}
        wrong |= {f"f{n}": (hex(both[32 + n]), hex(right.f[n])) for n in range(32) if both[32 + n] != right.f[n]}
        assert not wrong, f"{wrong}: {said}"
        assert bytes(memory) == interpreter.data, said
        runs.append(left)
    return runs


def compare_code(core: Core, interpreter: Interpreter, region: Emitted, page: bytes, entry: int, state: State, *,
                 flush_every: int, insns: int) -> int:  # fmt: skip
    """Run a region's code until it is left, and compare what the guest then has with the interpreter."""
    core.memory.write(PAGE, page)
    core.fence_i()
    core.memory.write(DATA, state.data)
    for number in range(32):
        core.set_x(0, number, state.x[number])
    core.set_pc(0, PAGE + entry)
    region.put(core, PAGE + entry)
    stress(core, stop=True, flush_every=flush_every)
    before = core.icount(0)
    core.run(max_insns=insns)
    executed = core.icount(0) - before
    right = interpreter.run(page, entry, state, executed)
    said = f"after {executed}\n{region.text()}"
    assert core.pc(0) == right.pc, said
    assert [core.x(0, number) for number in range(32)] == right.x, said
    assert core.memory.read(DATA, DATA_SIZE) == interpreter.data, said
    return executed


# --- programs with loops ----------------------------------------------------------------------------------------------

#: What a program writes freely; what it counts loops with, one for each depth; what points into the data.
FREE = (10, 12, 13, 14, 28, 29)
COUNTERS = (5, 6, 7)
POINTERS = (11, 15, 16)
SIMPLE = ("add", "sub", "xor", "and", "or", "mul", "addw", "subw", "sltu", "sh3add", "div", "remu", "sraw", "srl")
LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4, "lwu": 4, "ld": 8}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}


class Program:
    """Random code with loops in loops, that walks through memory; what a source of chance gives is always the same."""

    def __init__(self, source: Random, *, depth: int = 2) -> None:
        self.source = source
        self.code = b""
        self.loop(depth)
        # It ends with what cannot be lifted.
        self.put("ecall")
        self.page = page_of(self.code)

    def put(self, name: str, **held: int) -> None:
        self.code += insn(name, **held)

    def simple(self) -> None:
        source = self.source
        sources = (*FREE, *COUNTERS)
        if source.randrange(4) == 0:
            self.put("addi", rd=source.choice(FREE), rs1=source.choice((0, *sources)), imm=source.randrange(-9, 9))
        else:
            self.put(source.choice(SIMPLE), rd=source.choice(FREE), rs1=source.choice(sources),
                     rs2=source.choice(sources))  # fmt: skip

    def access(self) -> None:
        source = self.source
        # Often where something was accessed before.
        far = 1 if source.randrange(2) else 12
        base = source.choice(POINTERS[:1] if source.randrange(2) else POINTERS)
        at = {"rs1": base, "imm": 4 * source.randrange(-far, far) + (source.randrange(8) == 0)}
        if source.randrange(2):
            self.put(source.choice(list(LOADS)), rd=source.choice((0, *FREE)), **at)
        else:
            self.put(source.choice(list(STORES)), rs2=source.choice(FREE), **at)

    def body(self, depth: int) -> None:
        source = self.source
        for _ in range(source.randrange(1, 6)):
            kind = source.randrange(9)
            if kind < 4:
                self.access()
            elif kind < 6:
                self.simple()
            elif kind == 6:
                self.put("addi", rd=(pointer := source.choice(POINTERS)), rs1=pointer,
                         imm=source.choice((-8, -4, 1, 4, 8, 16)))  # fmt: skip
            elif kind == 7:
                self.skipped(depth)
            elif depth:
                self.loop(depth - 1)

    def skipped(self, depth: int) -> None:
        """Something that is executed sometimes."""
        before, self.code = self.code, b""
        self.body(min(depth, 1) - 1 if depth else 0)
        inside, self.code = self.code, before
        self.put(self.source.choice(("beq", "bne", "bltu", "bge")), rs1=self.source.choice(FREE),
                 rs2=self.source.choice((0, *FREE)), imm=len(inside) + 4)  # fmt: skip
        self.code += inside

    def loop(self, depth: int) -> None:
        """One with its test at the end, or at the beginning, and perhaps a way out in the middle."""
        source = self.source
        counter = COUNTERS[depth]
        self.put("addi", rd=counter, rs1=0, imm=source.randrange(1, 7))
        top = len(self.code)
        before, self.code = self.code, b""
        self.body(depth)
        if source.randrange(4) == 0:
            self.put("beq", rs1=source.choice(FREE), rs2=source.choice(FREE), imm=0)
            out = len(self.code) - 4
        else:
            out = None
        if source.randrange(2):
            self.body(depth)
        inside, self.code = self.code, before
        if source.randrange(3):
            again = insn("addi", rd=counter, rs1=counter, imm=-1)
            tail = again + insn("bne", rs1=counter, rs2=0, imm=-(len(inside) + len(again)))
        else:
            self.put("beq", rs1=counter, rs2=0, imm=len(inside) + 12)
            again = insn("addi", rd=counter, rs1=counter, imm=-1)
            tail = again + insn("jal", rd=0, imm=top - len(self.code) - len(inside) - len(again))
        if out is not None:
            fixed = insn("beq", rs1=10, rs2=12, imm=len(inside) - out + len(tail))
            inside = inside[:out] + fixed + inside[out + 4 :]
        self.code += inside + tail


def walking_state(source: Random) -> State:
    """A state whose pointers lead into the data, often near the end of a page."""
    state = State([0] + [source.getrandbits(64) >> source.choice((0, 40, 60)) for _ in range(31)],
                  source.randbytes(0x3000), [0] * 32)  # fmt: skip
    for pointer in POINTERS:
        page = DATA + 0x1000 * source.randrange(3)
        state.x[pointer] = page + (source.randrange(0x80, 0xF80, 4) if source.randrange(2) else 0xFC0)
    return state
