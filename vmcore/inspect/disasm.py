"""Disassembling an ELF file: what ``vmcore disasm`` prints."""

from __future__ import annotations

import io
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from elftools.elf.constants import P_FLAGS, SH_FLAGS
from elftools.elf.elffile import ELFFile

from vmcore.errors import LoadError
from vmcore.isa.riscv import Isa
from vmcore.isa.riscv.disasm import Disassembler, Line

__all__ = ["CodeRegion", "disassemble_elf", "executable_regions"]

_HINT = "Give an ELF file for 64-bit little-endian RISC-V"
# One entry of a symbol table: name, info, other, section, value, size.
_SYMBOL = struct.Struct("<IBBHQQ")
_LONGEST_NAME = 4096
_STT_NOTYPE, _STT_OBJECT, _STT_FUNC = 0, 1, 2
_SHN_UNDEF, _SHN_LORESERVE = 0, 0xFF00


@dataclass(frozen=True, slots=True)
class CodeRegion:
    """Executable bytes of a file.

    Parameters
    ----------
    name : str
        The section's name, or ``segment N`` in a file without sections.
    address : int
        Where they are linked to.
    data : bytes
        The bytes.
    symbols : dict of int to str
        The names of addresses that this region may refer to.
    marks : dict of int to bool
        Addresses from which on there is code (True) or data (False), by the mapping symbols ``$x`` and ``$d``.
    """

    name: str
    address: int
    data: bytes
    symbols: dict[int, str]
    marks: dict[int, bool] = field(default_factory=dict)

    def pieces(self) -> Iterator[tuple[int, bytes, bool]]:
        """Yield the region in pieces (address, bytes, is code) that do not mix code and data."""
        end = self.address + len(self.data)
        cuts = sorted(at for at in self.marks if self.address < at < end)
        is_code = self.marks.get(self.address, True)
        for start, stop in zip([self.address, *cuts], [*cuts, end], strict=True):
            is_code = self.marks.get(start, is_code)
            yield start, self.data[start - self.address : stop - self.address], is_code


class _Names:
    """The symbols of one section of an object file, or of a linked file."""

    def __init__(self) -> None:
        self.ranks: dict[int, int] = {}
        self.symbols: dict[int, str] = {}
        self.marks: dict[int, bool] = {}

    def add(self, address: int, name: str, rank: int) -> None:
        """Note a name; of several for one address the one of the highest rank is kept."""
        if name.startswith("$"):
            if name[:2] in ("$x", "$d"):
                self.marks[address] = name[1] == "x"
        elif name and not name.startswith(".L") and name.isprintable() and rank > self.ranks.get(address, -1):
            self.ranks[address] = rank
            self.symbols[address] = name


def executable_regions(path: str | PathLike[str]) -> list[CodeRegion]:
    """Return the executable sections of an ELF file, or its executable segments where it has no sections.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    list of CodeRegion
        In the order of the file.

    Raises
    ------
    LoadError
        There is no such file, it is no ELF file for 64-bit little-endian RISC-V, or it is damaged.
    """
    file = Path(path)
    try:
        if not file.is_file():
            what = "is a directory" if file.is_dir() else "does not exist or is no regular file"
            raise LoadError(f"{str(file)!r} {what}", hint=_HINT)
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        raise LoadError(f"{str(file)!r} cannot be read: {error}", hint=_HINT) from error
    if content[:4] != b"\x7fELF":
        raise LoadError(f"{str(file)!r} is no ELF file: it begins with {content[:4].hex() or 'nothing'}", hint=_HINT)
    try:
        return _regions(str(file), content)
    except LoadError:
        raise
    except Exception as error:
        # The parser meets damage in many ways (a short read, a bad enumeration, an overflow), each its own exception.
        raise LoadError(f"{str(file)!r} is a damaged ELF file ({type(error).__name__}: {error})", hint=_HINT) from error


def _cut(path: str, content: bytes, what: str, offset: int, size: int) -> bytes:
    """Return `size` bytes of the file at `offset`, all of which must be there."""
    if offset > len(content) or size > len(content) - offset:
        raise LoadError(f"{path!r} is truncated: {what} ends at {offset + size:#x}, the file at {len(content):#x}",
                        hint="Get the whole file again")
    return content[offset : offset + size]


def _regions(path: str, content: bytes) -> list[CodeRegion]:
    elf = ELFFile(io.BytesIO(content))
    header = elf.header
    if elf.elfclass != 64 or not elf.little_endian or header["e_machine"] != "EM_RISCV":
        order = "little" if elf.little_endian else "big"
        raise LoadError(f"{path!r} is for {header['e_machine']}, {elf.elfclass} bits, {order}-endian", hint=_HINT)
    relocatable = header["e_type"] == "ET_REL"
    names = _names(path, content, elf, relocatable)
    regions = []
    for index, section in enumerate(elf.iter_sections()):
        if section["sh_type"] == "SHT_PROGBITS" and section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR:
            data = _cut(path, content, f"section {section.name}", section["sh_offset"], section["sh_size"])
            # In an object file every section begins at address 0, so its symbols say nothing about another one.
            known = names[index if relocatable else 0]
            regions.append(CodeRegion(section.name, section["sh_addr"], data, known.symbols, known.marks))
    if regions or elf.num_sections():
        return regions
    for index, segment in enumerate(elf.iter_segments("PT_LOAD")):
        if segment["p_flags"] & P_FLAGS.PF_X:
            data = _cut(path, content, f"segment {index}", segment["p_offset"], segment["p_filesz"])
            regions.append(CodeRegion(f"segment {index}", segment["p_vaddr"], data, {}))
    return regions


def _names(path: str, content: bytes, elf: ELFFile, relocatable: bool) -> dict[int, _Names]:
    """Return the symbols of each section of an object file, or of a linked file under key 0."""
    found: dict[int, _Names] = defaultdict(_Names)
    tables = [section for section in elf.iter_sections() if section["sh_type"] in ("SHT_SYMTAB", "SHT_DYNSYM")]
    for table in tables:
        strings = elf.get_section(table["sh_link"])
        names = _cut(path, content, "a string table", strings["sh_offset"], strings["sh_size"])
        raw = _cut(path, content, "a symbol table", table["sh_offset"], table["sh_size"])
        whole = len(raw) // _SYMBOL.size * _SYMBOL.size
        for name, info, _, section, value, _ in _SYMBOL.iter_unpack(raw[:whole]):
            kind, binding = info & 15, info >> 4
            if kind not in (_STT_NOTYPE, _STT_OBJECT, _STT_FUNC) or not _SHN_UNDEF < section < _SHN_LORESERVE:
                continue
            end = names.find(b"\0", name, name + _LONGEST_NAME)
            text = names[name:end].decode("utf-8", "replace") if end > name else ""
            # Of several names for one address a global function's says most.
            rank = 2 * (kind == _STT_FUNC) + (binding != 0)
            found[section if relocatable else 0].add(value, text, rank)
    return found


def disassemble_elf(
    path: str | PathLike[str], *, isa: Isa | str | None = None, aliases: bool = True
) -> Iterator[str]:
    """Disassemble every executable section of an ELF file.

    The file is read and checked before this returns; the lines are made one at a time.

    Parameters
    ----------
    path : path-like
        The file.
    isa : Isa or str, optional
        The hart: instructions of extensions that are off are shown as unknown. Default: everything is on.
    aliases : bool
        Use pseudo-instructions, and the plain names of compressed instructions.

    Returns
    -------
    iterator of str
        The lines of an object dump, without line ends.

    Raises
    ------
    LoadError
        The file is missing, no ELF file for 64-bit little-endian RISC-V, or damaged.
    IsaError
        The ISA string is wrong.
    """
    regions = executable_regions(path)
    machines = [Disassembler(isa, region.symbols, aliases=aliases) for region in regions]
    return _lines(str(path), list(zip(regions, machines, strict=True)))


def _lines(path: str, regions: list[tuple[CodeRegion, Disassembler]]) -> Iterator[str]:
    yield f"{path}:     file format elf64-littleriscv"
    for region, disassembler in regions:
        yield ""
        yield f"Disassembly of section {region.name}:"
        for address, data, is_code in region.pieces():
            for line in disassembler.disassemble(data, address) if is_code else _data(data, address):
                if line.address in region.symbols:
                    yield ""
                    yield f"{line.address:016x} <{region.symbols[line.address]}>:"
                yield str(line)


def _data(data: bytes, address: int) -> Iterator[Line]:
    """Yield data as words, and what does not fill an aligned word as bytes."""
    offset = 0
    while offset < len(data):
        size = 4 if not (address + offset) % 4 and len(data) - offset >= 4 else 1
        raw = data[offset : offset + size]
        yield Line(address + offset, raw, ".word" if size == 4 else ".byte", f"0x{raw[::-1].hex()}")
        offset += size
