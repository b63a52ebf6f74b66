"""Makers of small guests: ELF files and raw kernels built byte by byte."""

from __future__ import annotations

import signal
import struct
from collections.abc import Callable, Iterator

import pytest

DRAM = 0x8000_0000


def _make_elf(
    segments: list[tuple[int, bytes, int]] | None = None,
    *,
    code: bytes = b"\x13\x00\x00\x00" * 4,
    entry: int | None = None,
    symbols: dict[str, tuple[int, int, int]] | None = None,
    machine: int = 243,
    bits: int = 2,
    endian: int = 1,
    kind: int = 2,
    virtual: int = 0,
    flags: int = 0,
) -> bytes:
    """Build an ELF file; `segments` are (physical address, bytes, memsz), `symbols` name -> (address, size, info)."""
    if segments is None:
        segments = [(DRAM, code, len(code))]
    if entry is None:
        entry = (segments[0][0] if segments else 0) + virtual
    header = 64 + 56 * len(segments)
    body = b""
    programs = b""
    for address, data, memsz in segments:
        where = (address + virtual) & (1 << 64) - 1
        programs += struct.pack("<IIQQQQQQ", 1, 7, header + len(body), where, address, len(data), memsz, 1)
        body += data
    sections = b""
    shoff = shnum = shstrndx = 0
    if symbols is not None:
        strings, table = b"\0", b"\0" * 24
        for name, (value, size, info) in symbols.items():
            table += struct.pack("<IBBHQQ", len(strings), info, 0, 1, value, size)
            strings += name.encode() + b"\0"
        names = b"\0.symtab\0.strtab\0.text\0"
        at = header + len(body)
        body += table + strings + names
        spans = [(at, len(table)), (at + len(table), len(strings)), (at + len(table) + len(strings), len(names))]
        shoff = header + len(body)
        sections = b"\0" * 64
        sections += struct.pack("<IIQQQQIIQQ", 17, 1, 6, 0, 0, 0, 0, 0, 1, 0)
        sections += struct.pack("<IIQQQQIIQQ", 1, 2, 0, 0, *spans[0], 3, 1, 8, 24)
        sections += struct.pack("<IIQQQQIIQQ", 9, 3, 0, 0, *spans[1], 0, 0, 1, 0)
        sections += struct.pack("<IIQQQQIIQQ", 9, 3, 0, 0, *spans[2], 0, 0, 1, 0)
        shnum, shstrndx = 5, 4
    ident = b"\x7fELF" + bytes((bits, endian, 1)) + b"\0" * 9
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        ident, kind, machine, 1, entry & (1 << 64) - 1, 64, shoff, flags, 64, 56, len(segments), 64, shnum, shstrndx,
    )  # fmt: skip
    return head + programs + body + sections


def _make_image(code: bytes = b"", *, text_offset: int = 0x20_0000, image_size: int = 0, flags: int = 0) -> bytes:
    """Build a raw ``Image``: a header whose first instruction jumps over it, then `code`."""
    jump = 0x0400_006F  # j +64
    head = struct.pack("<IIQQQIIQQII", jump, 0, text_offset, image_size, flags, 2, 0, 0, 0x5643534952, 0x05435352, 0)
    return head + code


@pytest.fixture
def make_elf() -> Callable[..., bytes]:
    return _make_elf


@pytest.fixture
def make_image() -> Callable[..., bytes]:
    return _make_image


def _assemble(*lines: str) -> bytes:
    """Encode instructions written as ``"addi rd=10 rs1=0 imm=5"``."""
    from vmcore.isa.riscv import BY_MNEMONIC
    from vmcore.isa.riscv.assemble import encode

    code = b""
    for line in lines:
        name, *operands = line.split()
        row = BY_MNEMONIC[name]
        word = encode(row, **{key: int(value, 0) for key, value in (operand.split("=") for operand in operands)})
        code += word.to_bytes(2 if word & 3 != 3 else 4, "little")
    return code


@pytest.fixture
def asm() -> Callable[..., bytes]:
    return _assemble


@pytest.fixture
def control_c() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where the tests run in the background: shells ignore it for those."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
