"""What T2 has learnt of a page comes with the page's code from the third level, and is not believed if it cannot be."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from fast.jit.t2.test_tier import PIECE, RAM, machine, run_until
from fast.jit.test_l3 import again, fill, packs
from support.assembler import Assembler

from vmcore._fast.jit.l3 import Store

A0, A1, A2, A3, A4 = 10, 11, 12, 13, 14
WORD = (1 << 64) - 1
# Of a pack: its header, and an entry of its index. Of an image: what is before its profile.
PACK_HEAD, ENTRY, OFFSET_IN_ENTRY = 56, 48, 16
PROFILE = 56
# Fields of a profile: offset, and how it is packed.
JUMPS, JUMP = 0, struct.Struct("<HHH")
REFUSED, WARM, VAIN_WARM = 384, 400, 402
NJUMPS, NREFUSED, TRIES, VAIN, STEADY, AGAINS, NARROW = range(404, 411)


def switching() -> bytes:
    """A loop whose turns go to one of three cases by turns, by a register."""
    a = Assembler(RAM)
    a.value(A2, RAM + 0x100)
    a.label("loop")
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("addi", rd=A1, rs1=0, imm=3)
    a.emit("remu", rd=A1, rs1=A0, rs2=A1)
    a.emit("slli", rd=A1, rs1=A1, imm=5)
    a.emit("add", rd=A3, rs1=A2, rs2=A1)
    a.emit("jalr", rd=0, rs1=A3, imm=0)
    code = a.code().ljust(0x100, b"\0")
    for case in range(3):
        b = Assembler(RAM + 0x100 + 32 * case)
        b.emit("addi", rd=A4, rs1=A4, imm=1 + case)
        b.emit("jal", rd=0, imm=a.labels["loop"] - (b.base + 4))
        code += b.code().ljust(32, b"\0")
    return code


def test_a_later_machine_knows_where_switches_go() -> None:
    store = Store()
    core = machine(switching(), store=store)
    run_until(core, "t2_entries")
    core.run(max_insns=PIECE)
    found = [(header, jumps) for _, header, _, _, jumps in core.regions()]
    assert {(at, to) for _, jumps in found for at, to, _ in jumps} >= {
        (jumps[0][0], 0x100 + 32 * case) for _, jumps in found for case in range(3)
    }
    core.close()
    core = machine(switching(), store=store)
    core.run(max_insns=1000)
    assert [(header, jumps) for _, header, _, _, jumps in core.regions()] == found
    core.run(max_insns=20 * PIECE)
    stats = core.stats()
    # It has its region, and asks for no other.
    assert (stats["t2_regions"], stats["t2_watched"]) == (0, 0)
    assert stats["t2_insns"] > 19 * PIECE
    core.close()


# --- not believed -----------------------------------------------------------------------------------------------------


def mix(h: int) -> int:
    for factor in (0xD6E8FEB86659FD93, 0xD6E8FEB86659FD93):
        h ^= h >> 32
        h = h * factor & WORD
    return h ^ h >> 32


def hash_bytes(what: bytes) -> int:
    """As image.pxd has it, with seed 0."""
    lane = [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, WORD, len(what)]
    words = struct.unpack(f"<{len(what) // 8}Q", what)
    for i, word in enumerate(words):
        k = i % 4
        lane[k] = (lane[k] ^ word) * 0x9FB21C651E98DF25 & WORD
        lane[k] ^= lane[k] >> 29
    found = 0
    for one in reversed(lane):
        found = mix(one + found & WORD) if one is not lane[3] else mix(one)
    return found


def spoil(path: Path, parts: Iterable[tuple[int, bytes]]) -> None:
    """Change the profile of the first image of a pack, and its checksum with it."""
    data = bytearray(path.read_bytes())
    at, _, size = struct.unpack_from("<QII", data, PACK_HEAD + OFFSET_IN_ENTRY)
    assert struct.unpack_from("<Q", data, at)[0] == hash_bytes(bytes(data[at + 8 : at + size]))
    for offset, what in parts:
        start = at + PROFILE + offset
        data[start : start + len(what)] = what
    struct.pack_into("<Q", data, at, hash_bytes(bytes(data[at + 8 : at + size])))
    path.write_bytes(data)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "code")


def test_what_could_be_is_believed(folder: str) -> None:
    first = fill(folder)
    spoil(packs(folder)[0], [(JUMPS, JUMP.pack(0, 4094, 1)), (NJUMPS, b"\1"), (VAIN, b"\x08"), (TRIES, b"\x20")])
    result, _, store = again(folder)
    assert result == first
    assert store.figures().bad == 0


@pytest.mark.parametrize(
    "parts",
    [
        [(NJUMPS, b"\x41")],
        [(NJUMPS, b"\xff")],
        [(JUMPS, JUMP.pack(1, 8, 1)), (NJUMPS, b"\1")],
        [(JUMPS, JUMP.pack(8, 4096, 1)), (NJUMPS, b"\1")],
        [(NREFUSED, b"\x09")],
        [(REFUSED, b"\x00\x10"), (NREFUSED, b"\1")],
        [(REFUSED, b"\x03\x00"), (NREFUSED, b"\1")],
        [(WARM, b"\x01\x08")],
        [(VAIN_WARM, b"\xff\xff")],
        [(TRIES, b"\x21")],
        [(VAIN, b"\x09")],
        [(STEADY, b"\x03")],
        [(AGAINS, b"\x04")],
        [(NARROW, b"\x02")],
    ],
    ids=str,
)
def test_what_cannot_be_is_not_believed(folder: str, parts: list[tuple[int, bytes]]) -> None:
    first = fill(folder)
    spoil(packs(folder)[0], parts)
    result, _, store = again(folder)
    assert result == first
    assert store.figures().bad == 1
