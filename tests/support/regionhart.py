"""A page of code as a region and on the interpreter, from the same state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from support import operands
from support.regions import Left, Machine, Memory, check

from vmcore._fast.jit.t2.liftface import Former
from vmcore._fast.run import Core
from vmcore.isa.riscv import BY_MNEMONIC, Isa
from vmcore.isa.riscv.assemble import encode

RAM = 0x8000_0000
RAM_SIZE = 0x10000
PAGE = RAM + 0x4000
DATA = RAM + 0x8000
DATA_SIZE = 0x3000
ISA = Isa.default().mask
#: The register that random accesses have as their base.
BASE = 11
FS_INITIAL, FS_DIRTY = 1 << 13, 3 << 13
MSTATUS, FCSR = 0x300, 0x003


def insn(name: str, **held: int) -> bytes:
    """Return one instruction's bytes."""
    row = BY_MNEMONIC[name]
    return encode(row, **held).to_bytes(row.size, "little")


def page_of(code: bytes, at: int = 0) -> bytes:
    """Return a page that has the code there, and nothing legal elsewhere."""
    return (bytes(at) + code).ljust(4096, b"\0")


@dataclass
class State:
    """Registers and memory before."""

    x: list[int]
    data: bytes
    f: list[int]
    fcsr: int = 0


def random_state(source: Random) -> State:
    """Return a state whose :data:`BASE` is an address in the data."""
    x = [0] + [operands.integer(source) for _ in range(31)]
    x[BASE] = DATA + source.randrange(0x100, DATA_SIZE - 0x100)
    f = [operands.float_register(source, source.choice(("f32", "f64")), boxes=False) for _ in range(32)]
    return State(x, source.randbytes(DATA_SIZE), f)


class Interpreter:
    """T0, with a page of code."""

    def __init__(self) -> None:
        self.core = Core(1, ISA, tier="t0")
        self.core.add_ram(RAM, RAM_SIZE)

    def run(self, page: bytes, entry: int, state: State, insns: int) -> Left:
        """Execute that many instructions; the data is then in :attr:`data`."""
        core = self.core
        core.memory.write(PAGE, page)
        core.memory.write(DATA, state.data)
        core.fence_i()
        core.csr_write(0, MSTATUS, FS_INITIAL)
        core.csr_write(0, FCSR, state.fcsr)
        for number in range(32):
            core.set_x(0, number, state.x[number])
            core.set_f(0, number, state.f[number])
        # Last: what was written above has made it dirty.
        core.csr_write(0, MSTATUS, FS_INITIAL)
        core.set_pc(0, PAGE + entry)
        core.run(max_insns=insns)
        self.data = core.memory.read(DATA, DATA_SIZE)
        fcsr, mstatus = core.csr_read(0, FCSR) or 0, core.csr_read(0, MSTATUS) or 0
        return Left(core.pc(0), 0, insns, [core.x(0, n) for n in range(32)], [core.f(0, n) for n in range(32)],
                    fcsr & 31, mstatus & FS_DIRTY == FS_DIRTY, 0)  # fmt: skip

    def close(self) -> None:
        self.core.close()


def compare(interpreter: Interpreter, page: bytes, entry: int, state: State, *, former: Former | None = None,
            leave_at: Sequence[int] = (), budget: int = 300) -> dict[str, Any] | None:
    """Lift the region at `entry` and compare each way of leaving it with the interpreter; return the graph."""
    graph = (former or Former(page, ISA)).lift(entry)
    if graph is None:
        return None
    check(graph)
    for place in (None, *leave_at):
        memory = Memory(DATA, bytearray(state.data))
        left = Machine(graph, PAGE, state.x, memory, state.f, state.fcsr >> 5).run(leave_at=place, budget=budget)
        right = interpreter.run(page, entry, state, left.executed)
        said = f"leaving at {place} after {left.executed}"
        assert left.pc == right.pc, f"{said}: pc {left.pc:#x}, T0 {right.pc:#x}"
        wrong = {f"x{n}": (hex(left.x[n]), hex(right.x[n])) for n in range(32) if left.x[n] != right.x[n]}
        wrong |= {f"f{n}": (hex(left.f[n]), hex(right.f[n])) for n in range(32) if left.f[n] != right.f[n]}
        assert not wrong, f"{said}: {wrong}"
        assert left.flags == right.flags, f"{said}: flags {left.flags:#x}, T0 {right.flags:#x}"
        # Raised flags make the state dirty too, when they are looked at.
        assert (left.dirty or left.flags != 0) == right.dirty, f"{said}: mstatus.FS"
        assert bytes(memory.data) == interpreter.data, f"{said}: memory"
    return graph
