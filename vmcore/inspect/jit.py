"""What T1 makes of a function: its blocks, compiled without being run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike

from vmcore._fast import jitface
from vmcore._fast.run import Core
from vmcore.errors import ConfigError, SymbolError
from vmcore.inspect.disasm import CodeRegion, executable_regions
from vmcore.isa.riscv import Isa, find, install, parse_isa
from vmcore.isa.riscv.disasm import INTEGER_REGISTERS, Disassembler, Line

__all__ = [
    "ENDS",
    "HostLine",
    "Look",
    "NativeBlock",
    "compile_function",
    "find_function",
    "host_lines",
    "pinned_registers",
]

#: What the reasons of :attr:`NativeBlock.why` mean.
ENDS = {
    "jump": "it jumps",
    "indirect": "it jumps to an address in a register",
    "page": "the page ends",
    "limit": "a block is no longer",
    "next": "what comes next is compiled already",
    "probe": "a hook or breakpoint is there",
    "t0": "T0 executes the last instruction",
}

_PAGE = 4096
_BASE = 0x8000_0000
_HOST_REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class HostLine:
    """An instruction of the host.

    Parameters
    ----------
    address : int
        Where it is among all code.
    raw : bytes
        Its bytes.
    text : str
        Assembly; empty where no disassembler is installed.
    note : str
        What it touches of the hart, or where it jumps to.
    """

    address: int
    raw: bytes
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class NativeBlock:
    """A compiled block.

    Parameters
    ----------
    address : int
        Where the guest's code begins, as it is linked.
    guest : list of Line
        Its instructions in the order in which they are executed when no branch is taken.
    at : int
        Where the host's code lies among all code.
    code : bytes
        The host's code.
    why : str
        Why it ends, a key of :data:`ENDS`.
    """

    address: int
    guest: list[Line]
    at: int
    code: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Look:
    """A function and what became of it.

    Parameters
    ----------
    name : str
        The function.
    start, end : int
        Its addresses, as it is linked.
    blocks : list of NativeBlock
        In the order of their addresses.
    interpreted : list of Line
        Instructions at which a block would begin, were they not T0's to execute.
    """

    name: str
    start: int
    end: int
    blocks: list[NativeBlock]
    interpreted: list[Line]

    def host_lines(self, block: NativeBlock) -> Iterator[HostLine]:
        """Yield the host's code of a block: instructions where capstone is installed, else lines of 16 bytes."""
        labels = {other.at: f"block {other.address:#x}" for other in self.blocks}
        return host_lines(block.code, block.at, labels)


def host_lines(code: bytes, address: int, labels: Mapping[int, str]) -> Iterator[HostLine]:
    """Yield code of the host: instructions where capstone is installed, else lines of 16 bytes.

    Parameters
    ----------
    code : bytes
        The code.
    address : int
        Where it lies among all code.
    labels : mapping of int to str
        What is to be said of jumps to these places.
    """
    try:
        import capstone
    except ImportError:
        for at in range(0, len(code), 16):
            yield HostLine(address + at, code[at : at + 16], "", "")
        return
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    places = jitface.places()
    for insn in engine.disasm(code, address):
        note = ""
        for operand in insn.operands:
            if operand.type == capstone.x86.X86_OP_MEM and insn.reg_name(operand.mem.base) == "rbp":
                note = _named(places.get(operand.mem.disp, ""))
            elif operand.type == capstone.x86.X86_OP_IMM and insn.group(capstone.CS_GRP_JUMP):
                note = labels.get(operand.imm, "")
        yield HostLine(insn.address, bytes(insn.bytes), f"{insn.mnemonic} {insn.op_str}".rstrip(), note)


def pinned_registers() -> dict[str, str]:
    """Return which register of the host holds which one of the guest wherever blocks meet."""
    return {_HOST_REGISTERS[host]: INTEGER_REGISTERS[guest] for host, guest in sorted(jitface.registers().items())}


def _named(place: str) -> str:
    """Return the name of a place in the hart; integer registers go by their ABI names."""
    return INTEGER_REGISTERS[int(place[1:])] if place[:1] == "x" and place[1:].isdigit() else place


def find_function(regions: list[CodeRegion], symbol: str) -> tuple[CodeRegion, int, int]:
    """Return where a function is: its region, its start and its end, where the next symbol is.

    Raises
    ------
    SymbolError
        No code has that name.
    """
    for region in regions:
        stop = region.address + len(region.data)
        known = sorted(at for at in region.symbols if region.address <= at < stop)
        for at, following in zip(known, [*known[1:], stop], strict=True):
            if region.symbols[at] == symbol:
                return region, at, following
    names = sorted({name for region in regions for name in region.symbols.values()})
    if symbol in names:
        raise SymbolError(f"{symbol!r} is no code: it lies in no executable section", hint="Give a function")
    close = get_close_matches(symbol, names[:2000], n=3)
    raise SymbolError(f"no code is called {symbol!r}",
                      hint=f"Did you mean {', '.join(close)}?" if close else f"The file has {len(names)} symbols")


class _Compiler:
    """A machine that holds nothing but the pages of one function."""

    def __init__(self, region: CodeRegion, start: int, end: int, isa: Isa) -> None:
        self.start, self.end = start, end
        # Code does not know at which address it runs, only where in its page.
        self.shift = (start & -_PAGE) - _BASE
        size = (end - self.shift - _BASE + _PAGE - 1) & -_PAGE
        if size > _MOST_BYTES:
            raise ConfigError(f"the function takes {end - start} bytes", hint=f"At most {_MOST_BYTES} can be shown")
        self.core = Core(1, isa.mask, tier="t1")
        try:
            self.core.add_ram(_BASE, size)
            low = max(region.address, start & -_PAGE)
            high = min(region.address + len(region.data), self.shift + _BASE + size)
            self.core.memory.write(low - self.shift, region.data[low - region.address : high - region.address])
        except BaseException:
            self.core.close()
            raise
        self.reader = Disassembler(isa, {at: name for at, name in region.symbols.items() if not name.startswith("$")})
        self.isa = isa

    def line(self, address: int) -> Line:
        """Return the guest's instruction at a linked address."""
        room = min(4, self.shift + _BASE + self.core.memory.banks()[0][1] - address)
        return self.reader.line(self.core.memory.read(address - self.shift, room), address)

    def flow(self, line: Line) -> tuple[int | None, bool]:
        """Return where an instruction may jump to, and whether control can come to what follows it, by a return too."""
        word = int.from_bytes(line.raw, "little")
        row = find(word, self.isa.mask)
        if row is None or row.handler in ("mret", "sret"):
            return None, False
        held = row.format.extract(word)
        if row.handler in ("jal", "jalr"):
            return line.address + held["imm"] if row.handler == "jal" else None, held["rd"] != 0
        return line.address + held["imm"] if "branch" in row.flags else None, True

    def walk(self, address: int, count: int) -> tuple[list[Line], list[int]]:
        """Return the lines of a block of `count` instructions, and where control may go from it.

        An unconditional jump that is not the last one has been followed.
        """
        lines: list[Line] = []
        targets: list[int] = []
        for left in reversed(range(count)):
            line = self.line(address)
            lines.append(line)
            target, goes_on = self.flow(line)
            address += len(line.raw)
            if target is not None and not goes_on and left:
                address = target
                continue
            if target is not None:
                targets.append(target)
            if goes_on and not left:
                targets.append(address)
        return lines, targets

    def compile(self, name: str) -> Look:
        """Compile what can be reached from the start."""
        seen: set[int] = set()
        pages: set[int] = set()
        interpreted: dict[int, Line] = {}
        to_do = [self.start]
        while to_do:
            address = to_do.pop(0)
            if address in seen or not self.start <= address < self.end:
                continue
            seen.add(address)
            if jitface.compile_at(self.core, address - self.shift):
                pages.add(address & -_PAGE)
                block = jitface.blocks(self.core, address - self.shift)[-1]
                to_do += self.walk(address, block["instructions"])[1]
            else:
                interpreted[address] = self.line(address)
                to_do += self.walk(address, 1)[1]
        # Only now do the jumps between blocks lead where they will.
        blocks = [
            NativeBlock(at := found["start"] + self.shift, self.walk(at, found["instructions"])[0], found["at"],
                        found["code"], found["why"])
            for page in pages for found in jitface.blocks(self.core, page - self.shift)
        ]  # fmt: skip
        return Look(name, self.start, self.end, sorted(blocks, key=lambda block: block.address),
                    [interpreted[at] for at in sorted(interpreted)])  # fmt: skip


def compile_function(elf: str | PathLike[str], symbol: str, isa: Isa | str | None = None) -> Look:
    """Compile what can be reached of a function from its start, and return it.

    Parameters
    ----------
    elf : path-like
        An ELF file for 64-bit RISC-V: a program, a kernel or a library.
    symbol : str
        The function. It ends where the next symbol is.
    isa : Isa or str, optional
        The hart. Default: everything is on.

    Raises
    ------
    LoadError
        The file is missing, no such ELF file, or damaged.
    SymbolError
        No code has that name.
    ConfigError
        This host is none that vmcore compiles for.
    """
    install()
    chosen = parse_isa(isa) if isinstance(isa, str) else isa or Isa.default()
    region, start, end = find_function(executable_regions(elf), symbol)
    machine = _Compiler(region, start, end, chosen)
    try:
        return machine.compile(symbol)
    finally:
        machine.core.close()
