"""Run a bare-metal ELF on the core alone: RAM, CLINT, UART and HTIF, without the machine layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from vmcore._fast.dev.clint import Clint
from vmcore._fast.dev.uart import Uart
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import install, parse_isa
from vmcore.isa.riscv.extensions import Isa

DRAM = 0x8000_0000
DRAM_SIZE = 16 << 20


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its HTIF code (None: it did not end by itself), what it printed and where it was."""

    code: int | None
    output: str
    pc: int
    reason: str
    icount: int
    registers: tuple[int, ...]


def run_elf(
    elf: Path, *, isa: Isa | str | None = None, harts: int = 1, max_insns: int = 200_000_000, piece: int = 100_000
) -> Outcome:
    """Load `elf`, run it on every hart from its entry in M-mode, `piece` instructions at a time."""
    install()
    isa = parse_isa(isa) if isinstance(isa, str) else isa or Isa.default()
    core = Core(harts, isa.mask)
    try:
        core.add_ram(DRAM, DRAM_SIZE)
        uart = Uart()
        core.attach(0x200_0000, Clint(core.clock, [core.pins(i) for i in range(harts)]))
        core.attach(0x1000_0000, uart)
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                core.memory.write(segment["p_paddr"], segment.data())
            symbols = image.get_section_by_name(".symtab")
            tohost = symbols.get_symbol_by_name("tohost")[0]["st_value"]
            entry = image["e_entry"]
        core.htif_watch(tohost, tohost + 8)
        core.reset()
        for i in range(harts):
            core.set_pc(i, entry)
        output = bytearray()
        code = None
        left = max_insns
        names = {number: name for name, number in EXITS.items()}
        while True:
            # In pieces, so that the UART's buffer is emptied.
            reason = names[core.run(max_insns=min(left, piece))]
            left -= piece
            output += uart.take()
            if reason == "htif" and (value := int.from_bytes(core.memory.read(tohost, 8), "little")) & 1:
                code = value >> 1
                break
            if reason not in ("budget", "htif") or left <= 0:
                break
        registers = tuple(core.x(i, n) for i in range(harts) for n in range(32))
        return Outcome(code, output.decode(errors="replace"), core.pc(0), reason, core.icount(), registers)
    finally:
        core.close()
