"""Boot: which files go where in memory, and in which state the harts begin.

Three ways, by `bios`: ``"builtin"`` starts an S-mode kernel on hart 0 with vmcore's own firmware below it; a file is
firmware that M-mode runs, reached through the reset ROM as on QEMU; ``"none"`` runs the kernel itself in M-mode.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vmcore._fast.run import Core
from vmcore.devices.fdt import Tree
from vmcore.errors import BootError
from vmcore.isa.riscv import Isa
from vmcore.machine import memmap
from vmcore.machine.board import Board
from vmcore.machine.devicetree import Chosen, build_tree
from vmcore.machine.loader.compress import unpack
from vmcore.machine.loader.files import Source, read_file
from vmcore.machine.loader.image import parse_header
from vmcore.machine.loader.placement import Extent, place_fdt, place_initrd, place_kernel
from vmcore.machine.loader.symbols import Symbols
from vmcore.machine.resetrom import MODE_S, reset_rom

__all__ = ["Boot", "BootOptions"]

# Firmware edits the tree in place and needs room for what it adds.
FDT_PAD = 0x1000
FDT_ROOM = 0x1_0000
FLAT_KERNEL_OFFSET = 0x20_0000
SUPERVISOR, MACHINE = 1, 3

MEDELEG, MIDELEG, MCOUNTEREN, MENVCFG, MSTATEEN0 = 0x302, 0x303, 0x306, 0x30A, 0x30C
PMPCFG0, PMPADDR0, STIMECMP, MSECCFG = 0x3A0, 0x3B0, 0x14D, 0x747
# Everything that can come from U-mode, and page faults of S-mode; ecalls of S-mode are the firmware's.
DELEGATED = 0xB1FF
DELEGATED_INTERRUPTS = 1 << 1 | 1 << 5 | 1 << 9
PMP_EVERYTHING = 0x1F  # NAPOT, read, write, execute
STCE, PBMTE, ADUE = 1 << 63, 1 << 62, 1 << 61
SSEED = 1 << 9
CBZE, CBCFE, CBIE_INVALIDATE = 1 << 7, 1 << 6, 3 << 4
MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class BootOptions:
    """What the user gave.

    Attributes
    ----------
    kernel, initrd : path or bytes, optional
        The kernel (ELF, raw ``Image``, flat; perhaps packed) and its initial RAM disk.
    append : str
        The kernel's command line.
    bios : str, path or bytes
        ``"builtin"``, ``"none"``, or firmware.
    from_flash : bool
        Whether flash bank 0 holds what is to be started where no kernel is given.
    seed : int
        The machine's seed.
    """

    kernel: Source | None = None
    initrd: Source | None = None
    append: str = ""
    bios: Source = "none"
    from_flash: bool = False
    seed: int = 0

    @property
    def builtin(self) -> bool:
        """bool: whether vmcore's own firmware serves."""
        return self.bios == "builtin"

    @property
    def none(self) -> bool:
        """bool: whether there is no firmware."""
        return self.bios == "none"


@dataclass(slots=True)
class _Piece:
    """Bytes for memory; behind them zeros up to `size`."""

    address: int
    data: bytes | memoryview
    size: int


@dataclass(slots=True)
class Boot:
    """The plan of a boot: made once, carried out at power-on and at every reset.

    Parameters
    ----------
    options : BootOptions
        What the user gave.
    board : Board
        The board.
    isa : Isa
        What its harts execute.
    """

    options: BootOptions
    board: Board
    isa: Isa
    symbols: Symbols = field(init=False, default_factory=Symbols)
    kernel: Extent | None = field(init=False, default=None)
    firmware: Extent | None = field(init=False, default=None)
    initrd: Extent | None = field(init=False, default=None)
    fdt: Extent = field(init=False)
    entry: int = field(init=False)
    _pieces: list[_Piece] = field(init=False, default_factory=list)
    _start: int = field(init=False, default=memmap.DRAM)
    _exact: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        options = self.options
        banks = self.board.options.banks
        dram = banks[0]
        if options.initrd is not None and options.kernel is None:
            raise BootError("an initrd was given and no kernel that could use it", hint="Give kernel=... as well")
        if options.builtin and options.kernel is None and not options.from_flash:
            raise BootError(
                "bios='builtin' and no kernel",
                hint="Give kernel=..., or bios='none' for a machine without any software",
            )
        self.entry = memmap.FLASH if options.from_flash else dram[0]
        if not options.builtin and not options.none:
            self.firmware, self._start = self._load(options.bios, "bios", 0)
        if options.kernel is not None:
            offset = 0 if options.none else FLAT_KERNEL_OFFSET
            self.kernel, self.entry = self._load(options.kernel, "kernel", offset)
        if options.none:
            self._start = self.entry
        self._place_rest(dram)

    # --- planning

    def _taken(self) -> list[Extent]:
        return [extent for extent in (self.firmware, self.kernel, self.initrd) if extent is not None]

    def _load(self, source: Source, what: str, flat_offset: int) -> tuple[Extent, int]:
        """Plan one image; returns what it takes and where it starts."""
        banks = self.board.options.banks
        limit = max(size for _, size in banks)
        data, name = read_file(source, what, limit=limit)
        data = unpack(data, name, limit=limit)
        if data[:4] == b"\x7fELF":
            # Here, as most kernels are no ELF files and numpy takes a tenth of a second.
            from vmcore.machine.loader.elf import parse_elf

            elf = parse_elf(data, name, banks)
            extent = Extent(what, elf.low, elf.high)
            self._check_free(extent, name)
            view = memoryview(data)
            for segment in elf.segments:
                part = view[segment.offset : segment.offset + segment.filesz]
                self._pieces.append(_Piece(segment.paddr, part, segment.memsz))
            self.symbols.update(elf.symbols())
            return extent, elf.entry
        header = parse_header(data, name)
        size = max(len(data), header.image_size if header is not None else 0)
        if what == "kernel":
            self._exact = header is not None and header.image_size > 0
        offset = header.text_offset if header is not None and what == "kernel" else flat_offset
        start = place_kernel(size, offset, banks[0], self._taken())
        self._pieces.append(_Piece(start, data, size if header is not None else len(data)))
        return Extent(what, start, start + size), start

    def _check_free(self, extent: Extent, name: str) -> None:
        for other in self._taken():
            if extent.start < other.end and other.start < extent.end:
                raise BootError(
                    f"{name} goes to {extent.start:#x}..{extent.end:#x}, where the {other.what} is "
                    f"({other.start:#x}..{other.end:#x})",
                    hint="Link one of them elsewhere",
                )

    def _place_rest(self, dram: tuple[int, int]) -> None:
        options = self.options
        if options.initrd is not None and self.kernel is not None:
            data, name = read_file(options.initrd, "initrd")
            room = place_fdt(FDT_ROOM, dram, self._taken())
            start = place_initrd(len(data), self.kernel, self._exact, room, dram[0])
            extent = Extent("initrd", start, start + len(data))
            self._check_free(extent, name)
            self.initrd = extent
            self._pieces.append(_Piece(start, data, len(data)))
        blob = self.tree().to_blob(pad=FDT_PAD)
        room = max(FDT_ROOM, len(blob)) if self.initrd is not None or dram[1] > 4 * FDT_ROOM else len(blob)
        address = place_fdt(room, dram, self._taken())
        self.fdt = Extent("device tree", address, address + len(blob))
        self._pieces.append(_Piece(address, blob, len(blob)))

    def chosen(self) -> Chosen:
        """Return what the kernel is told."""
        initrd = (self.initrd.start, self.initrd.end) if self.initrd is not None else None
        hardware_ad = self.options.builtin and self.isa.has("svadu")
        return Chosen(self.options.append, initrd, self.options.seed, hardware_ad)

    def tree(self) -> Tree:
        """Return the device tree."""
        return build_tree(self.board, self.isa, self.chosen())

    # --- carrying out

    def apply(self, core: Core, *, again: bool) -> None:
        """Fill memory and put the harts into their first state.

        Parameters
        ----------
        core : Core
            The core, just made or just reset.
        again : bool
            Whether memory may hold something: then what must be zero is written.
        """
        for piece in self._pieces:
            core.memory.poke(piece.address, piece.data)
            if again and piece.size > len(piece.data):
                _clear(core, piece.address + len(piece.data), piece.size - len(piece.data))
        if self.options.builtin:
            self._start_supervisor(core)
            return
        rom = reset_rom(self._start, self.fdt.start, next_address=self.entry, next_mode=MODE_S)
        core.memory.poke(memmap.RESET_ROM, rom)
        for hart in range(core.nharts):
            core.set_pc(hart, memmap.RESET_ROM)

    def _start_supervisor(self, core: Core) -> None:
        for hart in range(core.nharts):
            self._open(core, hart)
            if hart:
                core.hart_stop(hart)
        core.hart_start(0, self.entry, 0, self.fdt.start, SUPERVISOR)

    def _open(self, core: Core, hart: int) -> None:
        """Give S-mode what firmware gives it: memory, its traps and interrupts, counters, cache operations."""
        core.csr_write(hart, PMPADDR0, MASK64)
        core.csr_write(hart, PMPCFG0, PMP_EVERYTHING)
        core.csr_write(hart, MEDELEG, DELEGATED)
        core.csr_write(hart, MIDELEG, DELEGATED_INTERRUPTS)
        core.csr_write(hart, MCOUNTEREN, 0xFFFF_FFFF)
        core.csr_write(hart, MSTATEEN0, MASK64)
        core.csr_write(hart, MSECCFG, SSEED)
        core.csr_write(hart, MENVCFG, STCE | PBMTE | ADUE | CBZE | CBCFE | CBIE_INVALIDATE)
        core.csr_write(hart, STIMECMP, MASK64)


def _clear(core: Core, address: int, size: int) -> None:
    zeros = bytes(min(size, 1 << 20))
    while size > 0:
        part = min(size, len(zeros))
        core.memory.poke(address, zeros[:part])
        address += part
        size -= part
