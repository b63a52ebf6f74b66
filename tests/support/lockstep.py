"""One program on several machines: the state before, the state after, and what differs.

A *case* is a handful of instructions with every register, a window of memory and the place in memory where they run.
The machines all see the same world: 4 MiB of RAM, filled around the program with ``c.ebreak``, so that wherever a
program goes it ends in a trap that says where that was. Outside RAM nothing answers.

Oracles are objects with ``run(case) -> Outcome`` (or ``run_all``); vmcore's side is :class:`VmcoreHart`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import Isa, find, install
from vmcore.isa.riscv.disasm import INTEGER_REGISTERS, disassemble

M64 = 2**64 - 1

RAM = 0x8000_0000
RAM_SIZE = 0x40_0000
RAM_END = RAM + RAM_SIZE
HANDLER = RAM + 0x1000
# Programs run around here, and every jump of theirs (1 MiB either way) lands on c.ebreak.
PROGRAM = RAM + 0x20_0000
FILL = (RAM + 0xE_0000, RAM + 0x32_0000)
C_EBREAK = b"\x02\x90"
# The two stretches of data that are set up and compared: one around a page boundary, one up to the end of RAM.
WINDOW = RAM + 0x38_0000
WINDOW_HALF = 256
EDGE = 64
# The pages that hold them; what is not in a window is zero.
PAGES = (WINDOW - 4096, WINDOW, RAM_END - 4096)
WINDOWS = ((WINDOW - WINDOW_HALF, 2 * WINDOW_HALF), (RAM_END - EDGE, EDGE))
DATA = 2 * WINDOW_HALF + EDGE
CODE_MOST = 512

FS_INITIAL = 1 << 13
MSTATUS, MTVEC, MEPC, MCAUSE, MTVAL, FCSR = 0x300, 0x305, 0x341, 0x342, 0x343, 0x003
PMPCFG0, PMPADDR0, SATP, MENVCFG = 0x3A0, 0x3B0, 0x180, 0x30A
BREAKPOINT = 3
ENDLESS = -1
INSTRUCTIONS_MOST = 20_000


@dataclass(slots=True)
class Case:
    """A program and the state that it starts in."""

    code: bytes
    address: int = PROGRAM
    x: list[int] = field(default_factory=lambda: [0] * 32)
    f: list[int] = field(default_factory=lambda: [0] * 32)
    fcsr: int = 0
    data: bytes = bytes(DATA)
    note: str = ""

    def words(self) -> Iterator[tuple[int, int]]:
        """Yield the address and the word of each instruction, as they lie one after the other."""
        at = 0
        while at < len(self.code):
            size = 4 if self.code[at] & 3 == 3 else 2
            yield self.address + at, int.from_bytes(self.code[at : at + size], "little")
            at += size

    def listing(self) -> str:
        """Return the program in assembly."""
        return "\n".join(f"  {line}" for line in disassemble(self.code, self.address))


@dataclass(slots=True)
class Outcome:
    """The state in which a program's last instruction left the machine, and the trap that ended it."""

    x: list[int]
    f: list[int]
    fcsr: int
    cause: int
    epc: int
    tval: int
    data: bytes


def split_data(data: bytes) -> list[tuple[int, bytes]]:
    """Return the addresses and contents of the windows."""
    pieces, at = [], 0
    for base, size in WINDOWS:
        pieces.append((base, data[at : at + size]))
        at += size
    return pieces


class VmcoreHart:
    """The machine under test: one hart in M-mode, everything on, traps go to a probe."""

    def __init__(self, isa: Isa | None = None, tier: str | None = None) -> None:
        install()
        self.core = core = Core(1, (isa or Isa.default()).mask, tier=tier)
        core.add_ram(RAM, RAM_SIZE)
        self.fill()
        core.csr_write(0, MTVEC, HANDLER)
        core.probe_add(HANDLER)
        self.unprotect()

    def fill(self) -> None:
        """Write c.ebreak around the programs."""
        self.core.memory.write(FILL[0], C_EBREAK * ((FILL[1] - FILL[0]) // 2))

    def renew_memory(self) -> None:
        """Make memory what it was at first: programs may have stored outside the windows."""
        self.core.memory.write(RAM, bytes(RAM_SIZE))
        self.fill()

    def unprotect(self) -> None:
        """Let less privileged modes access everything, untranslated."""
        for csr, value in ((PMPCFG0, 0), (PMPADDR0, M64), (PMPCFG0, 0x1F), (SATP, 0), (MENVCFG, 0)):
            self.core.csr_write(0, csr, value)

    def prepare(self, case: Case) -> None:
        """Put memory and registers into the state before."""
        core = self.core
        core.memory.write(case.address, case.code)
        for page in PAGES:
            core.memory.write(page, bytes(4096))
        for base, piece in split_data(case.data):
            core.memory.write(base, piece)
        core.fence_i()
        core.flush_tlb(0)  # also forgets a reservation
        core.set_priv(0, 3)
        core.csr_write(0, MSTATUS, FS_INITIAL)
        self.unprotect()
        core.csr_write(0, FCSR, case.fcsr)
        core.csr_write(0, MCAUSE, 63)
        for number in range(1, 32):
            core.set_x(0, number, case.x[number])
        for number in range(32):
            core.set_f(0, number, case.f[number])
        core.set_pc(0, case.address)

    def outcome(self) -> Outcome:
        """Read the state after."""
        core = self.core
        return Outcome(
            [core.x(0, number) for number in range(32)],
            [core.f(0, number) for number in range(32)],
            core.csr_read(0, FCSR) or 0,
            core.csr_read(0, MCAUSE) or 0,
            core.csr_read(0, MEPC) or 0,
            core.csr_read(0, MTVAL) or 0,
            b"".join(core.memory.read(base, size) for base, size in WINDOWS),
        )

    def finish(self, case: Case) -> None:
        """Put the fill back where the program was."""
        self.core.memory.write(case.address, C_EBREAK * ((len(case.code) + 1) // 2))

    def run(self, case: Case) -> Outcome:
        """Run a program to its trap."""
        self.prepare(case)
        reason = self.core.run(max_insns=INSTRUCTIONS_MOST)
        after = self.outcome()
        if reason != EXITS["probe"] or self.core.pc(0) != HANDLER:
            after = replace(after, cause=ENDLESS, epc=self.core.pc(0))
        self.finish(case)
        return after

    def close(self) -> None:
        """Give the memory back."""
        self.core.close()


def differences(ours: Outcome, theirs: Outcome, *, tval: bool = True) -> list[str]:
    """Say in which words two outcomes differ. `tval`: the oracle knows the trap value."""
    found = []
    for name, a, b in (("cause", ours.cause, theirs.cause), ("epc", ours.epc, theirs.epc),
                       ("fcsr", ours.fcsr, theirs.fcsr)):
        if a != b:
            found.append(f"{name}: vmcore {a:#x}, oracle {b:#x}")
    if tval and ours.tval != theirs.tval:
        found.append(f"tval: vmcore {ours.tval:#x}, oracle {theirs.tval:#x}")
    if ours.x != theirs.x:
        found += [f"x{i} ({INTEGER_REGISTERS[i]}): vmcore {a:#x}, oracle {b:#x}"
                  for i, (a, b) in enumerate(zip(ours.x, theirs.x, strict=True)) if a != b]
    if ours.f != theirs.f:
        found += [f"f{i}: vmcore {a:#018x}, oracle {b:#018x}"
                  for i, (a, b) in enumerate(zip(ours.f, theirs.f, strict=True)) if a != b]
    if ours.data != theirs.data:
        for (base, a), (_, b) in zip(split_data(ours.data), split_data(theirs.data), strict=True):
            found += [f"memory {base + i:#x}: vmcore {a[i]:02x}, oracle {b[i]:02x}"
                      for i in range(len(a)) if a[i] != b[i]]
    return found


def minimised(case: Case, differs: Callable[[Case], bool]) -> Case:
    """Return a case that still differs, with every instruction that does not matter turned into a nop."""
    for at, word in list(case.words()):
        size = 4 if word & 3 == 3 else 2
        start = at - case.address
        nop = (0x13 if size == 4 else 1).to_bytes(size, "little")
        smaller = replace(case, code=case.code[:start] + nop + case.code[start + size :])
        if smaller.code != case.code and differs(smaller):
            case = smaller
    return case


def report(case: Case, oracle: str, found: list[str]) -> str:
    """Return everything that is needed to see a difference with one's own eyes, and to run it again."""
    read: set[tuple[str, int]] = set()
    for _, word in case.words():
        row = find(word)
        if row is not None:
            operands = row.format.extract(word)
            read |= {(kind, operands[name]) for name in ("rd", "rs1", "rs2", "rs3") for kind in "xf"}
    state = [f"{kind}{n}={getattr(case, kind)[n]:#x}" for kind, n in sorted(read) if getattr(case, kind)[n]]
    lines = [
        f"vmcore and {oracle} differ {case.note}",
        case.listing(),
        f"  before: fcsr={case.fcsr:#x} {' '.join(state)}",
        "  after: " + "\n         ".join(found),
        f"  case: {case!r}",
    ]
    return "\n".join(lines)
