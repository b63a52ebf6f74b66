"""The x86-64 encoder against capstone: every form, read back operand by operand.

What is expected comes from the name of a form and the operands that were asked for; the table's opcodes are not looked
at. Its columns about operands (order, kinds, width) are, and are proved by what capstone reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import capstone
import pytest

import vmcore
from vmcore._fast.jit.x64.asm import KINDS, Assembler, encode, forms
from vmcore.errors import ConfigError

FORMS = {row["name"]: row for row in forms()}
CONDITIONS = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"]
_LEGACY = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"]
REGISTERS = {
    8: [*["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"], *(f"r{i}b" for i in range(8, 16))],
    16: [*_LEGACY, *(f"r{i}w" for i in range(8, 16))],
    32: [*(f"e{name}" for name in _LEGACY), *(f"r{i}d" for i in range(8, 16))],
    64: [*(f"r{name}" for name in _LEGACY), *(f"r{i}" for i in range(8, 16))],
    128: [f"xmm{i}" for i in range(16)],
}
POINTERS = {8: "byte", 16: "word", 32: "dword", 64: "qword", 128: "xmmword"}
# Both sides of each border: none, one byte, four bytes.
DISPLACEMENTS = (0, 1, -1, 127, -128, 128, -129, 0x7FFFFFFF, -0x80000000)
INDICES = tuple(i for i in range(16) if i != 4)
IMMEDIATES = {
    "I_8": (0, 1, 0x7F, 0x80, 0xFF, -1, -0x80),
    "I_16": (0, 0x7F, 0x80, 0x7FFF, 0x8000, 0xFFFF, -1, -0x8000),
    "I_ALU16": (0, 0x7F, 0x80, -0x80, -0x81, 0x7FFF, -0x8000, 0xFF80, 0xFFFF),
    "I_32": (0, 0x7F, 0x80, -0x80, -0x81, 0x7FFFFFFF, -0x80000000),
    "I_ALU": (0, 0x7F, 0x80, -0x80, -0x81, 0x7FFFFFFF, -0x80000000),
}
MNEMONICS = {
    "IMUL1": "imul", "JMP_M": "jmp", "CALL_M": "call", "SETCC": "seto", "CMOV": "cmovo",
    "LOCK_CMPXCHG16B": "lock cmpxchg16b",
}  # fmt: skip
_SUFFIX = re.compile(r"(8|16)?(_(MR|MI|I|CL|M|LOAD|STORE|XR|RX|XX))?$")
_KEEPS_DIGITS = ("CVT", "VF", "VCVT")
_MEMORY = re.compile(r"(?:(\w+) ptr )?\[(\w+)(?: \+ ([a-z]\w*)(?:\*(\d))?)?(?: ([+-]) (\d\w*))?\]$")


def mnemonic(name: str) -> str:
    """``"LOCK_ADD_MR"`` is ``"lock add"``."""
    if name in MNEMONICS:
        return MNEMONICS[name]
    if not name.startswith(_KEEPS_DIGITS):
        name = _SUFFIX.sub("", name)
    return name.removesuffix("_I").replace("LOCK_", "LOCK ").lower()


@cache
def parse(text: str) -> tuple[Any, ...] | int | str:
    """Read one operand as capstone writes it: a register, a number, or (size, base, index, scale, displacement)."""
    if match := _MEMORY.match(text):
        size, base, index, scale, sign, disp = match.groups()
        return size or "", base, index or "", int(scale or 1), int(f"{sign or '+'}{disp or 0}", 0)
    return text if text[0].isalpha() else int(text, 0)


def width(kind: str, w: int) -> int:
    """Size in bits of a register operand of that kind."""
    return {"GB": 8, "GH": 16, "GD": 32, "GQ": 64, "GW": 64 if w else 32}.get(kind, 128)


def memory(kind: str, w: int, base: int, index: int | None, scale: int, disp: int) -> tuple[Any, ...]:
    bits = {"XD": 32, "XQ": 64}.get(kind, width(kind, w))
    name = "" if kind == "NO" else POINTERS[bits]
    return name, REGISTERS[64][base], "" if index is None else REGISTERS[64][index], 1 << scale, disp


def operands(row: dict[str, Any], w: int, reg: int, vvvv: int, rm: Any, imm: int | None) -> list[Any]:
    """Operands in Intel's order; `rm` is written out already."""
    places = {"R": REGISTERS[width(row["reg"], w)][reg], "V": REGISTERS[width(row["reg"], w)][vvvv], "M": rm}
    found = [places[letter] for letter in row["order"]]
    if row["name"].endswith("_CL"):
        found.append("cl")
    return found if imm is None else [*found, imm]


def immediate_bits(row: dict[str, Any], w: int) -> int:
    """Size in bits of the operand that an immediate is read for."""
    if row["imm"] == "I_8":
        return 8
    return width(row["rm"], w)


# One case: arguments of emit(), and what should be read back.
Case = tuple[dict[str, Any], list[Any]]


def immediates(row: dict[str, Any], w: int) -> tuple[int | None, ...]:
    return (None,) if row["imm"] == "I_NONE" else IMMEDIATES[row["imm"]]


def is_three(row: dict[str, Any]) -> bool:
    return "V" in row["order"]


def register_cases(row: dict[str, Any], w: int) -> Iterator[Case]:
    """Every pair of registers (and, rotating, every third one and every immediate)."""
    kind = "vrr" if is_three(row) else "rr" if row["imm"] == "I_NONE" else "rri"
    values = immediates(row, w)
    for reg in range(16 if "R" in row["order"] else 1):
        for rm in range(16):
            third = (reg * 5 + rm * 3) % 16 if is_three(row) else 0
            for imm in values if reg == rm or reg == 0 else values[(reg + rm) % len(values) :][:1]:
                expected = operands(row, w, reg, third, REGISTERS[width(row["rm"], w)][rm], imm)
                yield {"kind": kind, "w": w, "reg": reg, "vvvv": third, "rm": rm, "imm": imm or 0}, expected


def memory_cases(row: dict[str, Any], w: int) -> Iterator[Case]:
    """Every base with every displacement; every base, index and scale; the register rotates through all."""
    values = immediates(row, w)
    stem = "" if row["imm"] == "I_NONE" else "i"
    addresses = [(base, None, 0, disp) for base in range(16) for disp in DISPLACEMENTS]
    if not is_three(row):
        addresses += [
            (base, index, scale, DISPLACEMENTS[(base + index + scale) % len(DISPLACEMENTS)])
            for base in range(16)
            for index in INDICES
            for scale in range(4)
        ]
    for count, (base, index, scale, disp) in enumerate(addresses):
        reg = count % 16
        imm = values[count % len(values)]
        third = count * 3 % 16 if is_three(row) else 0
        kind = ("vrm" if is_three(row) else "rm" if index is None else "rx") + stem
        expected = operands(row, w, reg, third, memory(row["rm"], w, base, index, scale, disp), imm)
        yield {
            "kind": kind, "w": w, "reg": reg, "vvvv": third, "rm": base, "index": index or 0, "scale": scale,
            "disp": disp, "imm": imm or 0,
        }, expected  # fmt: skip


def cases(row: dict[str, Any]) -> Iterator[tuple[int, Case]]:
    for asked in (0, 1):
        w = asked if row["width"] == "WW" else int(row["width"] == "W1")
        if row["place"] in ("REG", "BOTH"):
            for arguments, expected in register_cases(row, w):
                yield w, (arguments | {"w": asked}, expected)
        if row["place"] in ("MEM", "BOTH") and (asked == w or row["width"] != "WW"):
            for arguments, expected in memory_cases(row, w):
                yield w, (arguments | {"w": asked}, expected)


@pytest.fixture(scope="module")
def disassembler() -> capstone.Cs:
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def read(disassembler: capstone.Cs, code: bytes) -> list[tuple[int, str, list[Any]]]:
    """Address, mnemonic and operands of everything in `code`, which must have no rest."""
    found, end = [], 0
    for address, size, name, text in disassembler.disasm_lite(code, 0):
        found.append((address, name, [parse(operand) for operand in text.split(", ")] if text else []))
        end = address + size
    assert end == len(code), f"cannot be disassembled: {code[end : end + 15].hex()}"
    return found


MODRM = [name for name, row in FORMS.items() if row["place"] != "NOWHERE"]
# Capstone writes these predicates into the name and drops the immediate.
PREDICATES = ["eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"]


# Capstone gives comisd 16 bytes of memory; the manual (COMISD in volume 2A) has m64, as it has for ucomisd.
_COMISD = ("xmmword", "qword")


def split_alias(name: str, found: str, values: list[Any]) -> tuple[str, list[Any]]:
    """Undo what capstone writes differently: ``cmpltsd a, b`` is ``cmpsd a, b, 1``."""
    if name in ("CMPSD_I", "CMPSS_I") and len(values) == 2:
        stem = found.removeprefix("cmp")[:-2]
        return f"cmp{found[-2:]}", [*values, PREDICATES.index(stem)]
    if name == "COMISD" and isinstance(values[1], tuple):
        assert values[1][0] == _COMISD[0]
        return found, [values[0], (_COMISD[1], *values[1][1:])]
    return found, values


@pytest.mark.parametrize("name", MODRM)
def test_a_form_is_what_its_name_says(name: str, disassembler: capstone.Cs) -> None:
    row = FORMS[name]
    window = Assembler(1 << 17)
    asked = list(cases(row))
    offsets = [window.emit(arguments.pop("kind"), name, **arguments) for _, (arguments, _) in asked]
    assert not window.full
    for (w, (arguments, expected)), offset, (address, found, values) in zip(
        asked, offsets, read(disassembler, window.code()), strict=True
    ):
        found, values = split_alias(name, found, values)
        if row["imm"] != "I_NONE":
            mask = (1 << immediate_bits(row, w)) - 1
            values[-1] &= mask
            expected[-1] &= mask
        assert (address, found, values) == (offset, mnemonic(name), expected), arguments


def test_every_address_of_one_form(disassembler: capstone.Cs) -> None:
    """The parts of an address are independent of the form, so one form meets all of their combinations."""
    for reg in range(16):
        window, expected = Assembler(1 << 20), []
        for base in range(16):
            for index in INDICES:
                for scale in range(4):
                    for disp in DISPLACEMENTS:
                        window.emit("rx", "MOV", w=1, reg=reg, rm=base, index=index, scale=scale, disp=disp)
                        expected.append([REGISTERS[64][reg], memory("GQ", 1, base, index, scale, disp)])
        assert not window.full
        assert [values for _, _, values in read(disassembler, window.code())] == expected


@pytest.mark.parametrize("base", range(16))
def test_displacements_are_as_short_as_they_can_be(base: int) -> None:
    for disp in DISPLACEMENTS:
        field = 0 if disp == 0 and base & 7 != 5 else 1 if -128 <= disp <= 127 else 4
        # REX, opcode, ModRM; rsp and r12 as a base need a SIB byte.
        assert len(encode("MOV", "rm", w=1, rm=base, disp=disp)) == 3 + (base & 7 == 4) + field
        assert len(encode("MOV", "rx", w=1, rm=base, index=1, disp=disp)) == 4 + field


@pytest.mark.parametrize("name", [name for name, row in FORMS.items() if row["imm"] in ("I_ALU", "I_ALU16")])
def test_small_immediates_take_one_byte(name: str) -> None:
    row = FORMS[name]
    kind = "rri" if row["place"] == "BOTH" else "rmi"
    full = 2 if row["imm"] == "I_ALU16" else 4
    sizes = {imm: len(encode(name, kind, rm=3, imm=imm)) for imm in (-129, -128, 0, 127, 128)}
    assert sizes == {imm: sizes[0] if -128 <= imm <= 127 else sizes[0] + full - 1 for imm in sizes}
    assert encode(name, kind, rm=3, imm=2 ** (8 * full) - 1) == encode(name, kind, rm=3, imm=-1)


def test_forms_without_operands(disassembler: capstone.Cs) -> None:
    plain = ["CDQ", "CQO", "MFENCE", "PAUSE", "RET", "INT3", "UD2"]
    window = Assembler()
    for name in plain:
        window.emit("plain", name)
        window.emit("plain", name, w=1)
    expected = [(name.lower(), []) for name in plain for _ in range(2)]
    assert [(name, values) for _, name, values in read(disassembler, window.code())] == expected


VALUES = {
    0: 5, 1: 5, 0x7FFFFFFF: 5, 0x80000000: 5, 0xFFFFFFFF: 5, 1 << 32: 10, (1 << 63) - 1: 10, 1 << 63: 10,
    -1: 7, -0x80000000: 7, -0x80000001: 10,
}  # fmt: skip


@pytest.mark.parametrize("reg", range(16))
def test_immediates_of_every_size_into_every_register(reg: int, disassembler: capstone.Cs) -> None:
    for value, size in VALUES.items():
        window = Assembler()
        window.emit("mov_imm", reg=reg, imm=value)
        ((_, name, (register, found)),) = read(disassembler, window.code())
        narrow = 0 <= value < 1 << 32
        assert name in ("mov", "movabs"), "anything else would touch the flags"
        assert register == REGISTERS[32 if narrow else 64][reg]
        assert (found - value) % (1 << 64) == 0
        assert len(window.code()) == size + (narrow and reg >= 8)


@pytest.mark.parametrize("reg", range(16))
def test_registers_and_conditions(reg: int, disassembler: capstone.Cs) -> None:
    window, other = Assembler(), (reg * 7 + 3) % 16
    window.emit("push", reg=reg)
    window.emit("pop", reg=reg)
    window.emit("jmp_r", rm=reg)
    window.emit("call_r", rm=reg)
    window.emit("jmp_m", rm=reg, disp=-8)
    window.emit("call_m", rm=reg, disp=0x1234)
    window.emit("jmp_x", rm=reg, index=11, scale=3, disp=16)
    window.emit("setcc", cc=reg, rm=reg)
    window.emit("cmov", cc=reg, w=0, reg=other, rm=reg)
    window.emit("cmov", cc=reg, w=1, reg=other, rm=reg)
    window.emit("cmov_m", cc=reg, w=1, reg=other, rm=reg, disp=0)
    wide, condition = REGISTERS[64][reg], CONDITIONS[reg]
    assert [(name, values) for _, name, values in read(disassembler, window.code())] == [
        ("push", [wide]),
        ("pop", [wide]),
        ("jmp", [wide]),
        ("call", [wide]),
        ("jmp", [("qword", wide, "", 1, -8)]),
        ("call", [("qword", wide, "", 1, 0x1234)]),
        ("jmp", [("qword", wide, "r11", 8, 16)]),
        (f"set{condition}", [REGISTERS[8][reg]]),
        (f"cmov{condition}", [REGISTERS[32][other], REGISTERS[32][reg]]),
        (f"cmov{condition}", [REGISTERS[64][other], wide]),
        (f"cmov{condition}", [REGISTERS[64][other], ("qword", wide, "", 1, 0)]),
    ]


@pytest.mark.parametrize("cc", range(16))
def test_jumps_reach_what_they_are_patched_to(cc: int, disassembler: capstone.Cs) -> None:
    window = Assembler()
    start = window.emit("plain", "INT3")
    far, near = window.emit("jcc", cc=cc), window.emit("jcc8", cc=cc)
    window.emit("jcc_to", cc=cc, imm=start)
    window.emit("jmp_to", imm=start)
    ahead, close = window.emit("jmp"), window.emit("jmp8")
    lea = window.emit("lea_rip", reg=cc)
    window.emit("plain", "PAUSE")
    end = window.emit("plain", "RET")
    for field in (far, ahead, lea):
        window.patch(field, end)
    window.patch8(near, end)
    window.patch8(close, start)
    (_, *code) = read(disassembler, window.code())
    assert [(name, values) for _, name, values in code[:6]] == [
        (f"j{CONDITIONS[cc]}", [end]),
        (f"j{CONDITIONS[cc]}", [end]),
        (f"j{CONDITIONS[cc]}", [start]),
        ("jmp", [start]),
        ("jmp", [end]),
        ("jmp", [start]),
    ]
    assert code[6][1:] == ("lea", [REGISTERS[64][cc], ("", "rip", "", 1, end - (code[6][0] + 7))])


def test_a_short_jump_has_a_range() -> None:
    window = Assembler()
    field = window.emit("jmp8")
    window.patch8(field, field + 1 + 127)
    window.patch8(field, 0)
    with pytest.raises(ConfigError, match="distance is 0x80"):
        window.patch8(field, field + 1 + 128)


@pytest.mark.parametrize("boundary", [1, 2, 16, 64, 4096])
def test_alignment_is_filled_with_whole_instructions(boundary: int, disassembler: capstone.Cs) -> None:
    # The window's memory is aligned to 16 bytes: where beyond that its boundaries are, the first alignment finds out.
    window = Assembler(3 * 4096)
    window.emit("align", imm=boundary)
    first = len(window.code())
    for before in range(1, min(boundary, 40)):
        for _ in range(before):
            window.emit("plain", "INT3")
        window.emit("align", imm=boundary)
        assert (len(window.code()) - first) % boundary == 0
        if boundary > 64:
            break
    names = [name for _, name, _ in read(disassembler, window.code())]
    assert set(names) <= {"nop", "int3"}


LONGEST = {"rmi": "LOCK_ADD_I", "rxi": "LOCK_ADD_I", "rri": "IMUL_I", "rr": "LZCNT", "rm": "LOCK_XADD16"}
LONGEST |= {"rx": "LOCK_XADD16", "vrr": "VFMADD213SD", "vrm": "VFMADD213SD", "plain": "MFENCE"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", range(32, 48))
def test_a_full_window_takes_nothing_more(kind: str, room: int) -> None:
    window = Assembler(room)
    while len(window.code()) <= room - 32:
        window.emit("mov_imm", reg=9, imm=(1 << 62) + 1)
    before = window.code()
    assert not window.full
    assert window.window()[-8:] == b"\xcc" * 8
    field = window.emit(kind, LONGEST.get(kind, ""), w=1, rm=9, reg=9, index=9, disp=1 << 30, imm=16)
    assert window.code() == before
    assert window.full
    untouched = window.window()[:-8]
    assert untouched.startswith(before)
    if kind in ("jcc", "jmp", "lea_rip"):
        window.patch(field, len(before))
    elif kind in ("jcc8", "jmp8"):
        window.patch8(field, len(before))
    assert window.window()[:-8] == untouched


def test_wrong_use_is_refused() -> None:
    window = Assembler()
    for arguments, message in [
        (("rr", "NOSUCH"), "form is 'NOSUCH'"),
        (("xx", "ADD"), "kind is 'xx'"),
        (("rri", "ADD"), "ADD has no 'rri' operands"),
        (("rr", "ADD_I"), "ADD_I has no 'rr' operands"),
        (("rr", "LEA"), "LEA has no 'rr' operands"),
        (("rm", "BSWAP"), "BSWAP has no 'rm' operands"),
        (("vrr", "ADD"), "ADD has no 'vrr' operands"),
        (("plain", "MOV_RI"), "MOV_RI has no 'plain' operands"),
        (("plain", "JMP"), "JMP has no 'plain' operands"),
    ]:
        with pytest.raises(ConfigError, match=message):
            window.emit(*arguments)
    for wrong in (
        {"reg": 16}, {"rm": -1}, {"index": 4}, {"scale": 4}, {"w": 2}, {"disp": 1 << 31}, {"vvvv": 16}, {"cc": 16},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            window.emit("rx", "ADD", **wrong)
    for name, w, imm in [("ADD_I", 1, 1 << 31), ("ADD_I", 0, 1 << 32), ("SHL_I", 0, 256), ("MOV16_MI", 0, 1 << 16)]:
        with pytest.raises(ConfigError, match="imm is"):
            window.emit("rri", name, w=w, imm=imm)
    with pytest.raises(ConfigError, match="aligned to a power of two"):
        window.emit("align", imm=3)
    with pytest.raises(ConfigError, match="room is"):
        Assembler(31)
    assert window.code() == b""


def test_compiled_code_knows_every_row() -> None:
    header = Path(vmcore.__file__).parent / "_fast/jit/x64/asm.pxd"
    declared = re.findall(r"\bF_(\w+)\b", header.read_text("utf-8").partition("F_COUNT")[0])
    assert declared == list(FORMS)
