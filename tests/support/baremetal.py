"""Run a bare-metal ELF on the core alone: RAM, CLINT, UART and HTIF, without the machine layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from vmcore._fast.dev.clint import Clint
from vmcore._fast.dev.uart import Uart
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import install, parse_isa
from vmcore.isa.riscv.csrs import CSRS
from vmcore.isa.riscv.extensions import Isa

DRAM = 0x8000_0000
DRAM_SIZE = 16 << 20
#: Every CSR but the entropy source, whose next value is drawn by reading it.
COMPARED = [csr.number for csr in CSRS if csr.name != "seed"]


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its HTIF code (None: it did not end by itself), what it printed and where it was."""

    code: int | None
    output: str
    pc: int
    reason: str
    icount: int
    registers: tuple[int, ...]


class Bare:
    """A machine with `elf` loaded, every hart at its entry in M-mode. `tier`: what executes it."""

    start = DRAM

    def __init__(self, elf: Path, *, isa: Isa | str | None = None, harts: int = 1, tier: str | None = None) -> None:
        install()
        isa = parse_isa(isa) if isinstance(isa, str) else isa or Isa.default()
        self.core = core = Core(harts, isa.mask, tier=tier)
        core.add_ram(DRAM, DRAM_SIZE)
        self.uart = Uart()
        core.attach(0x200_0000, Clint(core.clock, [core.pins(i) for i in range(harts)]))
        core.attach(0x1000_0000, self.uart)
        self.output = bytearray()
        self.end = DRAM
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                core.memory.write(segment["p_paddr"], segment.data())
                self.end = max(self.end, segment["p_paddr"] + segment["p_memsz"])
            symbols = image.get_section_by_name(".symtab")
            self.tohost = symbols.get_symbol_by_name("tohost")[0]["st_value"]
            entry = image["e_entry"]
        core.htif_watch(self.tohost, self.tohost + 8)
        core.reset()
        for i in range(harts):
            core.set_pc(i, entry)

    def code(self) -> int | None:
        """Return what the program ended with; None: it has not."""
        self.output += self.uart.take()
        value = int.from_bytes(self.core.memory.read(self.tohost, 8), "little")
        return value >> 1 if value & 1 else None

    def state(self) -> dict[str, object]:
        """Return everything that the guest, or anybody else, can see."""
        core = self.core
        found: dict[str, object] = {"now": core.now_ns, "output": bytes(self.output)}
        for hart in range(core.nharts):
            found[f"pc {hart}"] = core.pc(hart)
            found[f"priv {hart}"] = core.priv(hart)
            found[f"icount {hart}"] = core.icount(hart)
            for number in range(32):
                found[f"x{number} {hart}"] = core.x(hart, number)
                found[f"f{number} {hart}"] = core.f(hart, number)
            for number in COMPARED:
                found[f"csr {number:#x} {hart}"] = core.csr_read(hart, number)
        found["memory"] = core.memory.read(DRAM, self.end - DRAM)
        return found

    def close(self) -> None:
        """Give the memory back."""
        self.core.close()


def run_elf(
    elf: Path, *, isa: Isa | str | None = None, harts: int = 1, max_insns: int = 200_000_000, piece: int = 100_000
) -> Outcome:
    """Load `elf`, run it on every hart from its entry in M-mode, `piece` instructions at a time."""
    bare = Bare(elf, isa=isa, harts=harts)
    core = bare.core
    try:
        code = None
        left = max_insns
        names = {number: name for name, number in EXITS.items()}
        while True:
            # In pieces, so that the UART's buffer is emptied.
            reason = names[core.run(max_insns=min(left, piece))]
            left -= piece
            if (code := bare.code()) is not None and reason == "htif":
                break
            code = None
            if reason not in ("budget", "htif") or left <= 0:
                break
        registers = tuple(core.x(i, n) for i in range(harts) for n in range(32))
        output = bare.output.decode(errors="replace")
        return Outcome(code, output, core.pc(0), reason, core.icount(), registers)
    finally:
        bare.close()
