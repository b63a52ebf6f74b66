"""Write a bare-metal ELF file from bytes and symbols: for oracles that load nothing else."""

from __future__ import annotations

import struct
from collections.abc import Mapping

EM_RISCV = 243
PT_LOAD, SHT_SYMTAB, SHT_STRTAB, SHN_ABS = 1, 2, 3, 0xFFF1


def elf64(base: int, image: bytes, symbols: Mapping[str, int]) -> bytes:
    """Return an executable of one segment at `base`, entered there, with the symbols as absolute addresses."""
    # One string table for symbols and sections: loaders look for both sections by name.
    names = b"\0.symtab\0.strtab\0"
    symtab_name, strtab_name = names.index(b".symtab"), names.index(b".strtab")
    table = bytes(24)
    for name, address in symbols.items():
        table += struct.pack("<IBBHQQ", len(names), 0x10, 0, SHN_ABS, address, 0)
        names += name.encode() + b"\0"
    start = 0x1000  # the segment's place in the file, congruent to its address
    symtab = start + len(image) + (-len(image)) % 8
    strtab = symtab + len(table)
    sections = strtab + len(names) + (-len(names)) % 8
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, EM_RISCV, 1, base, 64, sections, 0, 64, 56, 1, 64, 3, 2)
    segment = struct.pack("<IIQQQQQQ", PT_LOAD, 7, start, base, base, len(image), len(image), 0x1000)

    def section(name: int, kind: int, offset: int, size: int, link: int, info: int, entry: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, offset, size, link, info, 8, entry)

    out = bytearray(header + segment)
    out += bytes(start - len(out)) + image
    out += bytes(symtab - len(out)) + table + names
    out += bytes(sections - len(out))
    out += bytes(64)
    out += section(symtab_name, SHT_SYMTAB, symtab, len(table), 2, 1, 24)
    out += section(strtab_name, SHT_STRTAB, strtab, len(names), 0, 0, 0)
    return bytes(out)
