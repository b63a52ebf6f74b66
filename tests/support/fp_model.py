"""What each F, D, Zfh and Zfa instruction does to its destination and to fflags, by exact arithmetic (ieee754.py)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from support.fp_patterns import random_integer, random_operands
from support.ieee754 import FORMATS, MASK64, MODES, RNE, evaluate, round_ratio

from vmcore.isa.riscv.rows import floating

#: The rows of this model: everything but the loads and stores.
ROWS = {row.mnemonic: row for row in floating.ROWS if not row.flags & {"load", "store"}}

PREFIX = {"s": "f32", "d": "f64", "h": "f16"}
WIDTH = {"s": 32, "d": 64, "h": 16, "w": 32}
INTEGER = {"w": "i32", "wu": "u32", "l": "i64", "lu": "u64"}
DYNAMIC = 7

FLI = (
    -1.0, None, 2.0**-16, 2.0**-15, 2.0**-8, 2.0**-7, 2.0**-4, 2.0**-3,
    0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 8.0, 16.0, 128.0, 256.0, 2.0**15, 2.0**16,
)  # fmt: skip


def boxed(value: int, suffix: str) -> int:
    return value | MASK64 << WIDTH[suffix] & MASK64


def unboxed(value: int, suffix: str) -> int:
    """A narrower number out of its box; what is in no proper box is the canonical NaN."""
    low = value & (2 ** WIDTH[suffix] - 1)
    return low if boxed(low, suffix) == value else FORMATS[PREFIX[suffix]].nan


def rounded(name: str) -> bool:
    """Whether the instruction has a rounding mode."""
    return ROWS[name].format.rm[1] > 0


def from_x(name: str) -> bool:
    """Whether the source is an x register."""
    parts = name.split(".")
    return (parts[0] == "fcvt" and parts[2] in INTEGER) or (parts[0] == "fmv" and parts[2] == "x")


def to_x(name: str) -> bool:
    """Whether the destination is an x register."""
    parts = name.split(".")
    return parts[0] in ("feq", "flt", "fle", "fltq", "fleq", "fclass", "fcvtmod") or (
        parts[0] in ("fcvt", "fmv") and parts[1] in (*INTEGER, "x") and not from_x(name)
    )


def legal(name: str, rm: int, frm: int) -> bool:
    """Whether the instruction is legal with this rm field and this frm, while FS is not off."""
    return not rounded(name) or (frm if rm == DYNAMIC else rm) in MODES


def function_of(name: str) -> tuple[str, str, str]:
    """The softfloat function of an arithmetic instruction, the suffix of its sources, that of its destination."""
    base, *suffixes = name.split(".")
    if base == "fcvtmod":
        return "f64_to_i32_mod", "d", "w"
    if base == "fcvt":
        to, source = suffixes
        if source in INTEGER:
            return f"{PREFIX[to]}_from_{INTEGER[source]}", source, to
        return f"{PREFIX[source]}_to_{INTEGER.get(to) or PREFIX[to]}", source, to
    what = {"fclass": "classify", "fmadd": "fma", "fmsub": "fma", "fnmsub": "fma", "fnmadd": "fma"}.get(base, base[1:])
    return f"{PREFIX[suffixes[0]]}_{what}", suffixes[0], "w" if to_x(name) else suffixes[0]


def _bitwise(name: str, sources: Sequence[int]) -> int | None:
    """What the instructions without arithmetic write, or None for the others."""
    base, *suffixes = name.split(".")
    if base == "fmv":
        to, source = suffixes
        if source == "x":
            width = WIDTH[to]
            return boxed(sources[0] % 2**width, to)
        low = sources[0] % 2 ** WIDTH[source]
        return (low - 2 ** WIDTH[source] if low >> (WIDTH[source] - 1) else low) & MASK64
    if not base.startswith("fsgnj"):
        return None
    form = FORMATS[PREFIX[suffixes[0]]]
    x, y = (unboxed(value, suffixes[0]) for value in sources[:2])
    sign = {"fsgnj": y, "fsgnjn": ~y, "fsgnjx": x ^ y}[base] & form.sign
    return boxed(x & (form.sign - 1) | sign, suffixes[0])


def constant(suffix: str, index: int) -> int:
    """The register that ``fli`` makes."""
    form = FORMATS[PREFIX[suffix]]
    if index == 1:
        return boxed(1 << form.fraction_bits, suffix)  # the smallest normal number
    if index >= 30:
        return boxed(form.infinity if index == 30 else form.nan, suffix)
    n, d = FLI[index].as_integer_ratio()
    return boxed(round_ratio(form, n < 0, abs(n), d, RNE)[0], suffix)  # 2**16 is out of binary16's range: infinity


def expected(name: str, sources: Sequence[int], rm: int, index: int = 0) -> tuple[int, int]:
    """Return what the destination register then holds, and the flags raised.

    `sources` are the registers rs1, rs2, rs3 (f registers, or the x register first), `rm` is the mode in force and
    `index` the number in the place of rs1.
    """
    base, _, suffix = name.partition(".")
    if base == "fli":
        return constant(suffix, index), 0
    simple = _bitwise(name, sources)
    if simple is not None:
        return simple, 0
    function, source, to = function_of(name)
    a, b, c = sources
    if source not in INTEGER:
        a, b, c = (unboxed(value, source) for value in sources)
        sign = FORMATS[PREFIX[source]].sign
        if base in ("fnmadd", "fnmsub"):
            a ^= sign
        if base in ("fmsub", "fnmadd"):
            c ^= sign
    result, flags = evaluate(function, a, b, c, rm)
    return (result if to_x(name) else boxed(result, to)), flags


def random_sources(name: str, random: Random) -> tuple[int, int, int]:
    """Registers for an instruction: telling operands, mostly in their boxes."""
    base, *suffixes = name.split(".")
    if from_x(name):
        return random_integer(random), 0, 0
    if base in ("fmv", "fli") or base.startswith("fsgnj"):
        source = suffixes[-1].replace("w", "s")
        similar = f"{PREFIX[source]}_add"
    else:
        similar, source, _ = function_of(name)
    operands = random_operands(similar, random)
    registers = [boxed(value, source) for value in operands]
    if source != "d" and random.random() < 0.1:
        # No box: upper bits that are not all ones, or a wider number.
        i = random.randrange(3)
        spoiled = registers[i] ^ 1 << random.randrange(WIDTH[source], 64)
        registers[i] = random.choice((spoiled, random.getrandbits(64), operands[i]))
    return registers[0], registers[1], registers[2]
