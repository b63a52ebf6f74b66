"""A page of code as a region and on the interpreter, from the same state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
FS_INITIAL = 1 << 13
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
    f: list[int] = field(default_factory=lambda: [0] * 32)
    fcsr: int = 0


def random_state(source: Random) -> State:
    """Return a state whose :data:`BASE` is an address in the data."""
    x = [0] + [operands.integer(source) for _ in range(31)]
    x[BASE] = DATA + source.randrange(0x100, DATA_SIZE - 0x100)
    return State(x, source.randbytes(DATA_SIZE), [source.getrandbits(64) for _ in range(32)])


class Interpreter:
    """T0, with a page of code."""

    def __init__(self) -> None:
        self.core = Core(1, ISA, tier="t0")
        self.core.add_ram(RAM, RAM_SIZE)

    def run(self, page: bytes, entry: int, state: State, insns: int) -> tuple[int, list[int], bytes]:
        """Execute that many instructions; return pc, registers and data."""
        core = self.core
        core.memory.write(PAGE, page)
        core.memory.write(DATA, state.data)
        core.fence_i()
        core.csr_write(0, MSTATUS, FS_INITIAL)
        core.csr_write(0, FCSR, state.fcsr)
        for number in range(32):
            core.set_x(0, number, state.x[number])
            core.set_f(0, number, state.f[number])
        core.set_pc(0, PAGE + entry)
        core.run(max_insns=insns)
        return core.pc(0), [core.x(0, n) for n in range(32)], core.memory.read(DATA, DATA_SIZE)

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
        left: Left = Machine(graph, PAGE, state.x, memory).run(leave_at=place, budget=budget)
        pc, x, data = interpreter.run(page, entry, state, left.executed)
        assert left.pc == pc, f"leaving at {place}: pc {left.pc:#x}, T0 {pc:#x} after {left.executed}"
        wrong = {n: (hex(left.x[n]), hex(x[n])) for n in range(32) if left.x[n] != x[n]}
        assert not wrong, f"leaving at {place} after {left.executed}: {wrong}"
        assert bytes(memory.data) == data, f"leaving at {place}: memory"
    return graph
