"""ELF files: segments checked against the machine's memory, symbols kept (ELF-64 object file format; RISC-V psABI)."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from vmcore.errors import LoadError
from vmcore.machine.loader.symbols import SYMBOL_DTYPE, Symbols

__all__ = ["Elf", "Segment", "is_elf", "parse_elf"]

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_PT_LOAD = 1
_PF_X = 1
_EM_RISCV = 243
_ET_REL, _ET_EXEC, _ET_DYN, _ET_CORE = 1, 2, 3, 4
_EF_RVE = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of an ELF file that is loaded.

    Attributes
    ----------
    paddr, vaddr : int
        Where it goes, and where its code believes to be.
    offset, filesz : int
        Its bytes in the file.
    memsz : int
        Its bytes in memory; those past `filesz` are zero.
    executable : bool
        Whether it holds code.
    """

    paddr: int
    vaddr: int
    offset: int
    filesz: int
    memsz: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Elf:
    """A checked ELF file.

    Attributes
    ----------
    name : str
        What to call it in messages.
    data : bytes
        The file.
    entry : int
        Physical address of its first instruction.
    segments : tuple of Segment
        What is loaded, by ascending address.
    bias : int
        How far a position-independent file was moved from the addresses that it is linked to.
    """

    name: str
    data: bytes
    entry: int
    segments: tuple[Segment, ...]
    bias: int = 0

    @property
    def low(self) -> int:
        """int: the lowest physical address that is loaded."""
        return self.segments[0].paddr

    @property
    def high(self) -> int:
        """int: the first physical address after everything that is loaded."""
        return max(s.paddr + s.memsz for s in self.segments)

    def symbols(self) -> Symbols:
        """Read the symbol table; a damaged one gives no symbols, since the file runs without them."""
        try:
            file = ELFFile(io.BytesIO(self.data))
            section = file.get_section_by_name(".symtab")
            if section is None:
                return Symbols()
            strings = file.get_section(section["sh_link"]).data()
            raw = section.data()
        except (ELFError, KeyError, ValueError, IndexError, AttributeError, TypeError, struct.error, OverflowError):
            return Symbols()
        count = len(raw) // SYMBOL_DTYPE.itemsize
        table = np.frombuffer(raw, dtype=SYMBOL_DTYPE, count=count)
        if self.bias:
            table = table.copy()
            table["value"] += np.uint64(self.bias)
        return Symbols(table, strings)


def is_elf(data: bytes) -> bool:
    """Say whether `data` begins as an ELF file."""
    return data[:4] == b"\x7fELF"


def parse_elf(data: bytes, name: str, banks: Sequence[tuple[int, int]]) -> Elf:
    """Check an ELF file and return what to load of it.

    A position-independent file that is linked to addresses below the memory, as firmware is, is moved to its start.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What to call it in messages.
    banks : sequence of (int, int)
        Start and size of each bank of memory.

    Raises
    ------
    LoadError
        The file is cut off, for another processor, not linked, has nothing to load, or its segments do not fit
        the file, each other or the memory, or its entry point is in none of them.
    """
    if len(data) < _HEADER.size:
        raise LoadError(f"{name} is cut off: {len(data)} bytes are less than an ELF header")
    (ident, kind, machine, _version, entry, phoff, _shoff, flags, _ehsize, phentsize, phnum, *_rest) = (
        _HEADER.unpack_from(data)
    )
    if machine != _EM_RISCV:
        raise LoadError(f"{name} is for machine {machine} of the ELF register, not for RISC-V (243)")
    if ident[4] != 2:
        raise LoadError(
            f"{name} is a 32-bit ELF file; harts here are RV64", hint="Build it with -march=rv64gc -mabi=lp64d"
        )
    if ident[5] != 1:
        raise LoadError(f"{name} is big-endian; harts here are little-endian")
    if flags & _EF_RVE:
        raise LoadError(f"{name} is built for RV64E, which is not offered")
    if kind not in (_ET_EXEC, _ET_DYN):
        what = {_ET_REL: "an object file", _ET_CORE: "a core dump"}.get(kind, f"of type {kind}")
        raise LoadError(f"{name} is {what}, not an executable", hint="Link it first" if kind == _ET_REL else "")
    if phnum and phentsize != _PROGRAM.size:
        raise LoadError(f"{name}: its program headers have {phentsize} bytes each, not {_PROGRAM.size}")
    if phoff + phnum * _PROGRAM.size > len(data):
        raise LoadError(f"{name} is cut off: {phnum} program headers at {phoff:#x}, the file ends at {len(data):#x}")
    segments = []
    for index in range(phnum):
        segment_type, rights, offset, vaddr, paddr, filesz, memsz, _align = _PROGRAM.unpack_from(
            data, phoff + index * _PROGRAM.size
        )
        if segment_type != _PT_LOAD or memsz == 0:
            continue
        segments.append(Segment(paddr, vaddr, offset, filesz, memsz, bool(rights & _PF_X)))
    if not segments:
        raise LoadError(f"{name} has nothing to load: no PT_LOAD segment among its {phnum} program headers")
    segments.sort(key=lambda s: s.paddr)
    start = banks[0][0]
    bias = start if kind == _ET_DYN and segments[-1].paddr + segments[-1].memsz <= start else 0
    if bias:
        segments = [replace(s, paddr=s.paddr + bias, vaddr=s.vaddr + bias) for s in segments]
    for segment in segments:
        _check_segment(segment, name, len(data), banks)
    for one, two in pairwise(segments):
        if one.paddr + one.memsz > two.paddr:
            raise LoadError(
                f"{name}: segments {one.paddr:#x}..{one.paddr + one.memsz:#x} and {two.paddr:#x}.."
                f"{two.paddr + two.memsz:#x} overlap"
            )
    return Elf(name, data, _physical_entry(entry + bias, segments, name), tuple(segments), bias)


def _check_segment(segment: Segment, name: str, length: int, banks: Sequence[tuple[int, int]]) -> None:
    end = segment.paddr + segment.memsz
    where = f"the segment at {segment.paddr:#x}"
    if segment.filesz > segment.memsz:
        raise LoadError(
            f"{name}: {where} has {segment.filesz:#x} bytes in the file and only {segment.memsz:#x} in memory"
        )
    if segment.offset + segment.filesz > length:
        raise LoadError(
            f"{name} is cut off: {where} needs bytes {segment.offset:#x}.."
            f"{segment.offset + segment.filesz:#x}, the file ends at {length:#x}"
        )
    if not any(base <= segment.paddr and end <= base + size for base, size in banks):
        memory = ", ".join(f"{base:#x}..{base + size:#x}" for base, size in banks)
        raise LoadError(
            f"{name}: the segment {segment.paddr:#x}..{end:#x} is outside the memory, which is {memory}",
            hint="Link it to the memory, or give the machine more ram",
        )


def _physical_entry(entry: int, segments: Sequence[Segment], name: str) -> int:
    """Return the entry point as a physical address: kernels are linked to virtual ones."""
    for segment in segments:
        if segment.vaddr <= entry < segment.vaddr + segment.memsz:
            return entry - segment.vaddr + segment.paddr
    if not any(segment.paddr <= entry < segment.paddr + segment.memsz for segment in segments):
        raise LoadError(f"{name}: the entry point {entry:#x} is in none of its segments", hint="Link it with -e SYMBOL")
    return entry
