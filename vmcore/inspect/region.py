"""What T2 makes of a loop: its region, stage by stage, compiled without being run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

from vmcore._fast.jit.t2.explain import explain_region
from vmcore._fast.jit.t2.liftface import PAGE, REGION_PAGES, Former, pages_led_to
from vmcore.errors import ConfigError
from vmcore.inspect.disasm import CodeRegion, executable_regions
from vmcore.inspect.jit import HostLine, find_function, host_lines
from vmcore.isa.riscv import Isa, install, parse_isa
from vmcore.isa.riscv.disasm import Disassembler, Line

__all__ = ["Explanation", "GuestBlock", "Loop", "Piece", "Stage", "Value", "explain_function"]

_WHY = {
    "cold": ("there is no code", "Give the address of an instruction"),
    "first": ("its first instruction, {line}, is none of those that regions are made of",
              "It is executed by block code or by the interpreter; give --pc in a loop that follows it"),
    "large": ("it is too much for one of the stages", "Give --pc in a smaller loop of it"),
}  # fmt: skip
_ASIDES = {
    "entry": "the way in", "end": "{end}", "exit": "leave at {guest}", "poll": "the budget is used up at {guest}",
    "fpu": "take the FPU, at {guest}", "next": "leave to {guest}", "miss": "fill the TLB for {node}",
    "refill": "fill the TLB for {node}", "stray": "another guess for {node}",
    "cross": "lies in two pages: on at {guest}", "step": "one instruction in the interpreter at {guest}",
    "divide": "by zero or -1: {node}",
    "lost": "the second way of the table of compiled code", "rare": "the rare case of {node}",
    "edge": "moves on the way from b{block}", "pages": "are the other pages what they were? Else on at {guest}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of a function.

    Parameters
    ----------
    address : int
        Of its header, as it is linked.
    instructions : int
        How many its region has, inner loops and inlined calls among them.
    """

    address: int
    instructions: int


@dataclass(frozen=True, slots=True)
class GuestBlock:
    """A basic block of the guest as it is in the region.

    Parameters
    ----------
    lines : list of Line
        Its instructions.
    inlined : bool
        Whether it belongs to a call that is inlined.
    ways : list of (int, bool)
        Where control goes from it, and whether that leaves the region.
    """

    lines: list[Line]
    inlined: bool
    ways: list[tuple[int, bool]]


@dataclass(frozen=True, slots=True)
class Stage:
    """The graph behind a stage of the compiler.

    Parameters
    ----------
    name : str
        ``lift``, the name of a pass, or ``select``.
    rewrites : int
        How many it made.
    lines : list of (int, str)
        The graph as text: a node, 0 if it is no node's, and its line.
    fresh : frozenset of int
        Which lines are not those of the stage before.
    """

    name: str
    rewrites: int
    lines: list[tuple[int, str]]
    fresh: frozenset[int]


@dataclass(frozen=True, slots=True)
class Value:
    """A live range, which wants a register.

    Parameters
    ----------
    node : int
        Its node.
    text : str
        The node's line.
    place : str
        A register; ``slotN``; ``home``: it is read where the hart has it; ``remat``: it is computed anew at each use.
    is_float : bool
        Whether it wants an xmm register.
    cost : float
        What is read and written, for one entry of the region, if it has none.
    lives : list of (int, int)
        The first and the last position of each stretch of its life. Positions are those of the blocks
        (:attr:`Explanation.spans`).
    neighbours : list of int
        Nodes that live at the same time, and so have another place.
    """

    node: int
    text: str
    place: str
    is_float: bool
    cost: float
    lives: list[tuple[int, int]]
    neighbours: list[int]

    @property
    def is_spilled(self) -> bool:
        """Whether it has no register."""
        return self.place.startswith(("slot", "home", "remat"))


@dataclass(frozen=True, slots=True)
class Piece:
    """Host code that belongs together.

    Parameters
    ----------
    what : str
        ``block`` (a label, without code of its own), ``node``, ``end``, ``entry``; out of line ``exit``, ``poll``,
        ``fpu``, ``next``, ``lost``, ``miss``, ``refill``, ``stray``, ``cross``,
        ``step``, ``divide``, ``rare``, ``edge``.
    text : str
        What it is, for people: a node's line, a block's first or last line.
    node : int
        The node, or 0.
    guest : int or None
        Address of the guest's instruction, where it is known.
    lines : list of HostLine
        The code.
    """

    what: str
    text: str
    node: int
    guest: int | None
    lines: list[HostLine]


@dataclass(frozen=True)
class Explanation:
    """A region and what became of it.

    Parameters
    ----------
    name : str
        The function.
    address : int
        Of the region's header, as it is linked.
    is_loop : bool
        Whether the header is that of a loop.
    instructions : int
        Of the guest.
    others : list of Loop
        Other loops of the function.
    guest : list of GuestBlock
        In reverse postorder.
    stages : list of Stage
        All of them, those that changed nothing too.
    blocks : dict
        By number of each block: ``off``, ``depth``, ``weight`` and ``span``, in the order of the code.
    values : list of Value
        In the order in which their lives begin.
    figures : dict
        What allocation says of itself: ``way``, ``ranges``, ``pressure``, ``spilled``, ``slots``, ``spill_weight``,
        ``copies``, ``coalesced``, ``copy_weight``.
    pieces : list of Piece
        The host's code.
    size : int
        Bytes of all of it.
    tables : int
        Bytes of its side tables.
    """

    name: str
    address: int
    is_loop: bool
    instructions: int
    others: list[Loop]
    guest: list[GuestBlock]
    stages: list[Stage]
    blocks: dict[int, dict[str, Any]]
    values: list[Value]
    figures: dict[str, Any]
    pieces: list[Piece]
    size: int
    tables: int

    @cached_property
    def changes(self) -> list[Stage]:
        """The stages that changed something, the first one included."""
        return [
            stage for i, stage in enumerate(self.stages) if i == 0 or stage.lines != self.stages[i - 1].lines
        ]

    @property
    def edges(self) -> int:
        """How many edges the interference graph has."""
        return sum(len(value.neighbours) for value in self.values) // 2


def _page(region: CodeRegion, address: int) -> bytes:
    """Return the page at an address; what is not part of the section is zero."""
    low = max(region.address, address)
    data = region.data[low - region.address : max(address + PAGE - region.address, 0)]
    return bytes(low - address) + data.ljust(PAGE - (low - address), b"\0")


def _others(region: CodeRegion, address: int, isa: Isa, here: int) -> dict[int, bytes]:
    """Return the pages that a page leads to, and those that they lead to, by how many bytes they lie behind it."""
    found = {0: _page(region, address)}
    waiting = [0]
    while waiting:
        at = waiting.pop(0)
        for distance in pages_led_to(found[at], isa.mask, 0 if at else here):
            to = at + distance
            inside = region.address - PAGE < address + to < region.address + len(region.data)
            if inside and to not in found and len(found) < REGION_PAGES:
                found[to] = _page(region, address + to)
                waiting.append(to)
    return found


class _Page:
    """The page that a region begins in, and those that it may go on in."""

    def __init__(self, region: CodeRegion, address: int, isa: Isa) -> None:
        self.address = address & -PAGE
        pages = _others(region, self.address, isa, address - self.address)
        self.data = pages.pop(0)
        self.more = pages
        self.isa = isa
        self.region = region
        self.former = Former(self.data, isa.mask, more=pages)
        self.reader = Disassembler(isa, {at: name for at, name in region.symbols.items() if not name.startswith("$")})

    def line(self, off: int) -> Line:
        at = self.address + off - self.region.address
        return self.reader.line(self.region.data[at : at + 4], self.address + off)

    def loops(self, start: int, end: int) -> dict[int, int]:
        """Return the loops that have their header between two addresses, and how many instructions each has."""
        found: dict[int, int] = {}
        off = max(start - self.address, 0)
        stop = min(end - self.address, PAGE)
        while off < stop:
            header = self.former.header(off)
            if header is not None and header not in found and start <= self.address + header < end:
                formed = self.former.form(header)
                if formed["loop"] and not formed["refused"]:
                    found[header] = formed["insns"]
            off += len(self.line(off).raw)
        return {self.address + header: insns for header, insns in found.items()}

    def guest(self, formed: Mapping[str, Any]) -> list[GuestBlock]:
        blocks = []
        for place in formed["places"]:
            lines = []
            off = place["off"]
            for _ in range(place["insns"]):
                lines.append(self.line(off))
                off += len(lines[-1].raw)
            ways = [(self.address + to, index < 0) for to, index in place["ways"]]
            blocks.append(GuestBlock(lines, place["context"] != 0, ways))
        return blocks


def _stages(found: list[tuple[str, int, list[tuple[int, str]]]]) -> list[Stage]:
    stages: list[Stage] = []
    known: set[str] = set()
    for name, rewrites, lines in found:
        fresh = frozenset(i for i, (_, text) in enumerate(lines) if known and text not in known)
        stages.append(Stage(name, rewrites, lines, fresh))
        known = {text for _, text in lines}
    return stages


def _values(found: Mapping[str, Any], texts: Mapping[int, str]) -> list[Value]:
    near: dict[int, list[int]] = {node: [] for node in found["values"]}
    for one, two in found["edges"]:
        near[one].append(two)
        near[two].append(one)
    values = [
        Value(node, texts[node], value["place"], value["float"], value["cost"], value["lives"], sorted(near[node]))
        for node, value in found["values"].items()
    ]
    return sorted(values, key=lambda value: (value.lives[0] if value.lives else (0, 0), value.node))


def _pieces(found: Mapping[str, Any], texts: Mapping[int, str], page: int) -> list[Piece]:
    heads: dict[int, str] = {}
    ends: dict[int, str] = {}
    block = 0
    for node, text in found["stages"][-1][2]:
        if not text.startswith(" "):
            block = int(text[1:].split("(")[0].split(":")[0].split()[0]) if text.startswith("b") else 0
            heads[block] = text
        elif not node:
            ends[block] = text.strip()
    marks = found["pieces"]
    shown: list[tuple[dict[str, Any], str, int | None]] = []
    block = 1
    for mark in marks[:-1]:
        what, node = mark["what"], mark.get("node", 0)
        off = mark.get("off", found["nodes"][node]["off"] if node else None)
        guest = None if off is None else page + off
        block = mark["block"] if what == "block" else block
        if what == "block":
            text = heads[block]
        elif what == "node":
            text = texts[node]
        else:
            text = _ASIDES[what].format(end=ends[block], guest="an address" if guest is None else f"{guest:#x}",
                                        node=f"v{node}", block=mark.get("block", block))  # fmt: skip
        shown.append((mark, text, guest))
    # What jumps lead to: blocks by their numbers, what is out of line by what it is for.
    labels = {
        mark["at"]: f"b{mark['block']}" if mark["what"] == "block" else text
        for mark, text, _ in shown if mark["what"] not in ("entry", "node", "end")
    }  # fmt: skip
    pieces = []
    for (mark, text, guest), following in zip(shown, marks[1:], strict=True):
        code = found["code"][mark["at"] : following["at"]]
        # A label, or what takes no code at all.
        if code or mark["what"] == "block":
            lines = list(host_lines(code, mark["at"], labels))
            pieces.append(Piece(mark["what"], text, mark.get("node", 0), guest, lines))
    return pieces


def _texts(found: Mapping[str, Any]) -> dict[int, str]:
    """Return the line of each node after selection; constants and arguments of blocks have none in a graph's text."""
    texts = {node: text.strip() for node, text in found["stages"][-1][2] if node}
    for node, row in found["nodes"].items():
        if node not in texts:
            value = row["imm"] if row["op"] == "const" and abs(row["imm"]) <= PAGE else hex(row["imm"])
            texts[node] = f"v{node} = " + (f"const {value}" if row["op"] == "const" else f"arg of b{row['block']}")
    return texts


def explain_function(
    elf: str | PathLike[str], symbol: str, *, pc: int | None = None, isa: Isa | str | None = None
) -> Explanation:
    """Compile the region of a function that T2 would form if all of its page were hot, and return every stage.

    Parameters
    ----------
    elf : path-like
        An ELF file for 64-bit RISC-V: a program, a kernel or a library.
    symbol : str
        The function. Its loop with most instructions is taken; without any loop, what follows its start.
    pc : int, optional
        An address in the function, as it is linked: the region is the one for what is executed there.
    isa : Isa or str, optional
        The hart. Default: everything is on.

    Raises
    ------
    LoadError
        The file is missing, no such ELF file, or damaged.
    SymbolError
        No code has that name.
    ConfigError
        No region can be formed there; or the address is no instruction of the function.
    """
    install()
    chosen = parse_isa(isa) if isinstance(isa, str) else isa or Isa.default()
    region, start, end = find_function(executable_regions(elf), symbol)
    if pc is not None and (not start <= pc < end or pc & 1):
        raise ConfigError(f"{pc:#x} is no instruction of {symbol}", hint=f"It goes from {start:#x} to {end:#x}")
    loops: dict[int, int] = {}
    for address in range(start & -PAGE, end, PAGE):
        loops |= _Page(region, address, chosen).loops(start, end)
    page = _Page(region, start if pc is None else pc, chosen)
    if pc is not None:
        # Not one of those that are taken, so there always is one.
        header = page.former.header(pc - page.address) or 0
    elif loops:
        best = max(loops, key=lambda at: (loops[at], -at))
        page = _Page(region, best, chosen)
        header = best - page.address
    else:
        header = start - page.address
    return _explained(page, symbol, header, loops)


def _explained(page: _Page, symbol: str, header: int, loops: Mapping[int, int]) -> Explanation:
    address = page.address + header
    formed = page.former.form(header)
    more = [(at, data, None) for at, data in page.more.items()]
    found = explain_region(page.data, page.isa.mask, header, more=more)
    if found["refused"] == "memory":
        raise MemoryError("no memory for a region")
    if found["refused"]:
        why, hint = _WHY[found["refused"]]
        raise ConfigError(f"no region begins at {address:#x}: {why.format(line=page.line(header).text)}", hint=hint)
    texts = _texts(found)
    return Explanation(
        name=symbol,
        address=address,
        is_loop=formed["loop"],
        instructions=formed["insns"],
        others=[Loop(at, loops[at]) for at in sorted(loops) if at != address],
        guest=page.guest(formed),
        stages=_stages(found["stages"]),
        blocks=found["blocks"],
        values=_values(found, texts),
        figures=found["figures"],
        pieces=_pieces(found, texts, page.address),
        size=len(found["code"]),
        tables=found["tables"],
    )
