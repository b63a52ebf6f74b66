"""HTIF from the program's side."""

from __future__ import annotations

import struct

from vmcore.errors import MemoryAccessError
from vmcore.machine.htif import Htif
from vmcore.machine.resetrom import reset_rom

TOHOST, FROMHOST, BLOCK, TEXT = 0x100, 0x108, 0x200, 0x300


class Program:
    def __init__(self) -> None:
        self.data = bytearray(0x1000)
        self.out = b""
        self.typed = b""
        self.htif = Htif(self, self, TOHOST, FROMHOST)

    def read(self, gpa: int, n: int) -> bytes:
        if gpa + n > len(self.data):
            raise MemoryAccessError(f"{gpa:#x}")
        return bytes(self.data[gpa : gpa + n])

    def write(self, gpa: int, data: bytes) -> None:
        self.read(gpa, len(data))
        self.data[gpa : gpa + len(data)] = data

    def put(self, data: bytes) -> None:
        self.out += data

    def get(self, most: int) -> bytes:
        head, self.typed = self.typed[:most], self.typed[most:]
        return head

    def word(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def store(self, word: int) -> int | None:
        self.write(TOHOST, word.to_bytes(8, "little"))
        code = self.htif.serve()
        assert self.word(TOHOST) == 0
        return code

    def call(self, *words: int) -> int:
        self.write(BLOCK, struct.pack("<8Q", *[w & (1 << 64) - 1 for w in words], *[0] * (8 - len(words))))
        self.write(FROMHOST, bytes(8))
        code = self.store(BLOCK)
        assert code is None and self.word(FROMHOST) == 1
        result = self.word(BLOCK)
        return result - (result >> 63 << 64)


def test_exit_codes() -> None:
    assert Program().store(1) == 0
    assert Program().store(3 << 1 | 1) == 3
    assert Program().store(0) is None


def test_the_console() -> None:
    program = Program()
    for char in b"hi":
        assert program.store(1 << 56 | 1 << 48 | char) is None
    assert program.out == b"hi"
    program.store(1 << 56)
    assert program.word(FROMHOST) == 0, "nothing was typed yet"
    program.typed = b"a"
    program.htif.poll()
    assert program.word(FROMHOST) == 1 << 56 | 0x100 | ord("a")
    program.typed = b"b"
    program.htif.poll()
    assert program.typed == b"b", "nobody asked"


def test_write_system_call() -> None:
    program = Program()
    program.write(TEXT, b"hello")
    assert program.call(64, 1, TEXT, 5) == 5
    assert program.call(64, 2, TEXT, 4) == 4
    assert program.out == b"hellohell"
    assert program.call(64, 3, TEXT, 5) == -9
    assert program.call(64, 1, 0xFFF, 2) == -14
    assert program.call(64, 1, 1 << 63, -1) == -14
    assert program.call(57, 1) == -38
    assert program.out == b"hellohell"


def test_exit_system_call_and_a_block_outside_memory() -> None:
    program = Program()
    program.write(BLOCK, struct.pack("<8Q", 93, 7, *[0] * 6))
    assert program.store(BLOCK) == 7
    assert program.store(0xFFFF_FFF0) is None
    assert program.store(7 << 56) is None


def test_it_needs_the_symbol() -> None:
    program = Program()
    assert Htif.of_symbols(program, program, {}) is None
    htif = Htif.of_symbols(program, program, {"tohost": 8})
    assert htif is not None and (htif.tohost, htif.fromhost) == (8, 0)


def test_the_reset_rom_is_what_opensbi_reads() -> None:
    rom = reset_rom(0x8000_0000, 0x8200_0000, next_address=0x8020_0000)
    assert struct.unpack_from("<QQ", rom, 24) == (0x8000_0000, 0x8200_0000)
    assert struct.unpack_from("<6Q", rom, 40) == (0x4942534F, 2, 0x8020_0000, 1, 0, 0)
