"""How fast is the interpreter? Integer kernels in S-mode under Sv39: MIPS, and the ratio to QEMU on the same ELF."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from elftools.elf.elffile import ELFFile
from measure import child_seconds, geomean, interleave, options, ratio, report

import guests
from vmcore._fast.dev.clint import Clint
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import install
from vmcore.isa.riscv.extensions import Isa

DRAM, DRAM_SIZE = 0x8000_0000, 64 << 20
MOST = 5_000_000_000
QEMU = "qemu-system-riscv64"


class Program:
    """One ELF file, and how to run it on either machine."""

    def __init__(self, elf: Path) -> None:
        self.elf = elf
        self.instructions = 0
        with elf.open("rb") as file:
            image = ELFFile(file)
            self.segments = [(s["p_paddr"], s.data()) for s in image.iter_segments("PT_LOAD") if s["p_filesz"]]
            self.tohost = image.get_section_by_name(".symtab").get_symbol_by_name("tohost")[0]["st_value"]

    def on_vmcore(self) -> float:
        """Return the CPU seconds of a whole run: making the machine, loading, executing."""
        start = time.thread_time()
        core = Core(1, Isa.default().mask)
        core.add_ram(DRAM, DRAM_SIZE)
        core.attach(0x200_0000, Clint(core.clock, [core.pins(0)]))
        for address, data in self.segments:
            core.memory.write(address, data)
        core.htif_watch(self.tohost, self.tohost + 8)
        core.set_pc(0, DRAM)
        reason = core.run(max_insns=MOST)
        seconds = time.thread_time() - start
        value = int.from_bytes(core.memory.read(self.tohost, 8), "little")
        self.instructions = core.icount()
        core.close()
        if reason != EXITS["htif"] or value != 1:
            where = f"tohost {value:#x} after {self.instructions} instructions"
            raise SystemExit(f"{self.elf.stem}: exit {reason}, {where}")
        return seconds

    def on_qemu(self) -> float:
        """Return the CPU seconds of QEMU's process."""
        machine = [QEMU, "-machine", "virt", "-bios", "none", "-m", "64M", "-display", "none", "-monitor", "none"]
        return child_seconds([*machine, "-serial", "none", "-kernel", str(self.elf)])


def main() -> None:
    """Build, run, print."""
    arguments = options(__doc__ or "", rounds=3, only=[])
    names = arguments.only or guests.kernels()
    with_qemu = shutil.which(QEMU) is not None
    install()
    rows = {}
    print(f"{'kernel':10} {'Minsn':>7} {'MIPS':>6}" + ("  of QEMU's speed (spread)" if with_qemu else ""))
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            program = Program(guests.build(name, Path(folder)))
            subjects = {"vmcore": program.on_vmcore}
            if with_qemu:
                subjects["qemu"] = program.on_qemu
            seconds = interleave(arguments.rounds, subjects)
            # The least time: what the host's other work adds is not ours.
            mips = program.instructions / min(seconds["vmcore"]) / 1e6
            rows[name] = {"instructions": program.instructions, "mips": mips, "seconds": seconds}
            line = f"{name:10} {program.instructions / 1e6:7.0f} {mips:6.0f}"
            if with_qemu:
                middle, least, most = ratio(seconds["qemu"], seconds["vmcore"])
                rows[name]["ratio"] = middle
                line += f"  {middle:5.2f} ({least:.2f} to {most:.2f})"
            print(line, flush=True)
    figures = {"kernels": rows, "mips": geomean(row["mips"] for row in rows.values())}
    line = f"{'geomean':10} {'':7} {figures['mips']:6.0f}"
    if with_qemu:
        figures["ratio"] = geomean(row["ratio"] for row in rows.values())
        line += f"  {figures['ratio']:5.2f}"
    print(line)
    report(arguments, figures)


if __name__ == "__main__":
    main()
