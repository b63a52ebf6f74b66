"""ELF files: what is loaded, what is refused and how it is said."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from vmcore.errors import LoadError, SymbolError
from vmcore.machine.loader.elf import parse_elf
from vmcore.machine.loader.symbols import Symbols

DRAM = 0x8000_0000
BANKS = [(DRAM, 16 << 20)]
Maker = Callable[..., bytes]


def test_segments_come_sorted_with_their_zeroed_tail(make_elf: Maker) -> None:
    data = make_elf([(DRAM + 0x3000, b"data", 0x100), (DRAM, b"\x13\0\0\0", 4)], entry=DRAM)
    elf = parse_elf(data, "k", BANKS)
    assert [(s.paddr, s.filesz, s.memsz) for s in elf.segments] == [(DRAM, 4, 4), (DRAM + 0x3000, 4, 0x100)]
    assert (elf.low, elf.high, elf.entry) == (DRAM, DRAM + 0x3100, DRAM)
    one = elf.segments[1]
    assert data[one.offset : one.offset + one.filesz] == b"data"


def test_a_virtual_entry_becomes_physical(make_elf: Maker) -> None:
    assert parse_elf(make_elf(virtual=0xFFFF_FFFF_0000_0000), "k", BANKS).entry == DRAM


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"machine": 62}, "machine 62"),
        ({"bits": 1}, "32-bit"),
        ({"endian": 2}, "big-endian"),
        ({"kind": 1}, "object file.*Link it"),
        ({"kind": 4}, "core dump"),
        ({"kind": 9}, "type 9"),
        ({"flags": 8}, "RV64E"),
        ({"segments": []}, "nothing to load"),
        ({"segments": [(0x1000, b"a", 1)]}, r"0x1000\.\.0x1001 is outside.*0x80000000\.\.0x81000000"),
        ({"segments": [(DRAM, b"a", 1 << 40)]}, "outside the memory"),
        ({"segments": [(DRAM, b"a", (1 << 64) - 1)]}, "outside the memory"),
        ({"segments": [((1 << 64) - 16, b"a", 32)]}, "outside the memory"),
        ({"segments": [(DRAM, b"abcd", 2)]}, "0x4 bytes in the file and only 0x2"),
        ({"segments": [(DRAM, b"abcd", 32), (DRAM + 16, b"x", 1)]}, r"0x80000020 and 0x80000010.*overlap"),
    ],
)
def test_what_cannot_run_is_refused(make_elf: Maker, change: dict[str, object], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        parse_elf(make_elf(**change), "k", BANKS)


def test_position_independent_firmware_moves_to_the_memory(make_elf: Maker) -> None:
    data = make_elf([(0, b"code", 4), (0x4000, b"data", 8)], kind=3, entry=0, symbols={"start": (0, 4, 0x12)})
    elf = parse_elf(data, "fw", BANKS)
    assert [s.paddr for s in elf.segments] == [DRAM, DRAM + 0x4000]
    assert (elf.entry, elf.bias, dict(elf.symbols())) == (DRAM, DRAM, {"start": DRAM})
    placed = parse_elf(make_elf(kind=3), "fw", BANKS)
    assert (placed.low, placed.bias) == (DRAM, 0)


@pytest.mark.parametrize("entry", [0, 0x1000, 0x1000_0000, DRAM - 4, DRAM + 0x1000])
def test_an_entry_point_outside_what_is_loaded(make_elf: Maker, entry: int) -> None:
    with pytest.raises(LoadError, match=f"entry point {entry:#x} is in none of its segments"):
        parse_elf(make_elf(entry=entry), "k", BANKS)


def test_every_cut_is_noticed(make_elf: Maker) -> None:
    data = make_elf(code=b"\x13\0\0\0" * 8)
    for length in range(4, len(data)):
        with pytest.raises(LoadError, match="cut off"):
            parse_elf(data[:length], "k", BANKS)


def test_damage_gives_a_load_error_or_a_file(make_elf: Maker) -> None:
    """No damage reaches the caller as anything but LoadError."""
    whole = make_elf(symbols={"main": (DRAM, 8, 0x12)})
    rng = random.Random(1)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            elf = parse_elf(bytes(data), "k", BANKS)
        except LoadError:
            continue
        dict(elf.symbols())


def test_symbols_both_ways(make_elf: Maker) -> None:
    table = {
        "main": (DRAM, 4, 0x12),
        "$x": (DRAM, 0, 0x00),
        "loop": (DRAM + 4, 0, 0x00),
        ".Lhidden": (DRAM + 6, 0, 0x00),
        "data": (DRAM + 0x100, 16, 0x11),
        "file.c": (0, 0, 0x04),
    }
    symbols = parse_elf(make_elf(symbols=table), "k", BANKS).symbols()
    assert dict(symbols) == {"main": DRAM, "loop": DRAM + 4, "data": DRAM + 0x100}
    assert symbols.get_symbol("data").size == 16
    found = symbols.nearest(DRAM + 3)
    assert found is not None and (found[0].name, found[0].kind, found[1]) == ("main", "function", 3)
    assert symbols.describe(DRAM + 6) == "0x80000006 <loop+0x2>"
    assert symbols.nearest(DRAM + 0x110) is None, "past the end of `data`"
    assert symbols.nearest(DRAM - 1) is None
    with pytest.raises(SymbolError, match="Did you mean main"):
        symbols["mian"]
    symbols.add("mine", DRAM + 0x200)
    assert symbols["mine"] == DRAM + 0x200
    assert symbols.describe(DRAM + 0x204) == "0x80000204 <mine+0x4>"
    assert "mine" in symbols and "none" not in symbols


def test_a_global_goes_before_a_local_of_the_same_name(make_elf: Maker) -> None:
    both = make_elf(symbols={"f": (DRAM, 4, 0x12), "g": (DRAM + 4, 4, 0x02)}).replace(b"\0f\0g\0", b"\0f\0f\0")
    assert dict(parse_elf(both, "k", BANKS).symbols()) == {"f": DRAM}


def test_tables_of_two_images_join(make_elf: Maker) -> None:
    one = parse_elf(make_elf(symbols={"f": (DRAM, 4, 0x12)}), "k", BANKS).symbols()
    two = parse_elf(make_elf(symbols={"f": (0, 4, 0x12), "g": (DRAM + 8, 4, 0x12)}), "k", BANKS).symbols()
    one.update(two)
    assert dict(one) == {"f": DRAM, "g": DRAM + 8}


def test_no_symbols_is_an_empty_mapping(make_elf: Maker) -> None:
    symbols = parse_elf(make_elf(), "k", BANKS).symbols()
    assert len(symbols) == 0 and symbols.nearest(DRAM) is None
    assert len(Symbols()) == 0
