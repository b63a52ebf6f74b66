"""The handlers of F, D, Zfh and Zfa: operands, boxes, modes, flags and FS, by the host FPU and by softfloat."""

import ctypes
import platform
import re
from random import Random

import pytest
from support.fp_patterns import edges, random_integer, random_operands, random_pattern
from support.ieee754 import FORMATS, MASK64, MODES, NX, RNE, RTZ, evaluate, round_ratio

import vmcore._fast.hart.ops_fp  # noqa: F401  (registers the handlers)
from vmcore._fast.hart.single_fp import execute
from vmcore.isa.riscv.rows import floating

OFF, INITIAL, CLEAN, DIRTY = range(4)
DYNAMIC = 7
PREFIX = {"s": "f32", "d": "f64", "h": "f16"}
WIDTH = {"s": 32, "d": 64, "h": 16, "w": 32}
INTEGER = {"w": "i32", "wu": "u32", "l": "i64", "lu": "u64"}
UNROUNDED = ("fmin", "fmax", "fminm", "fmaxm", "feq", "flt", "fle", "fltq", "fleq", "fclass")
FLAG_STATES = (0, NX, 31, 16)

# The moves, sign injections and constants have no arithmetic: their meaning is spelled out below.
BITWISE = {f"{what}.{suffix}" for what in ("fsgnj", "fsgnjn", "fsgnjx", "fli") for suffix in "sdh"} | {
    f"fmv.{to}.{source}" for w in "wdh" for to, source in (("x", w), (w, "x"))
}
ROWS = {row.mnemonic: row for row in floating.ROWS if not row.flags & {"load", "store"}}
ARITHMETIC = sorted(ROWS.keys() - BITWISE)


def rounded(name: str) -> bool:
    """Whether the instruction has a rounding mode."""
    return ROWS[name].format.rm[1] > 0


def split(name: str) -> tuple[str, str, str]:
    """The softfloat function of an instruction, and the suffixes of its sources and of its destination."""
    base, *suffixes = name.split(".")
    if base == "fcvtmod":
        return "f64_to_i32_mod", "d", "w"
    if base == "fcvt":
        to, source = suffixes
        if source in INTEGER:
            return f"{PREFIX[to]}_from_{INTEGER[source]}", source, to
        return f"{PREFIX[source]}_to_{INTEGER.get(to) or PREFIX[to]}", source, to
    what = {"fclass": "classify", "fmadd": "fma", "fmsub": "fma", "fnmsub": "fma", "fnmadd": "fma"}.get(base, base[1:])
    to_x = what in ("classify", "eq", "lt", "le", "ltq", "leq")
    return f"{PREFIX[suffixes[0]]}_{what}", suffixes[0], "w" if to_x else suffixes[0]


def boxed(value: int, suffix: str) -> int:
    return value | MASK64 << WIDTH[suffix] & MASK64


def unboxed(value: int, suffix: str) -> int:
    low = value & (2 ** WIDTH[suffix] - 1)
    return low if boxed(low, suffix) == value else FORMATS[PREFIX[suffix]].nan


def expected(name: str, registers: tuple[int, ...], rm: int) -> tuple[int, int]:
    """What the destination register holds, and the flags raised, by exact arithmetic."""
    function, source, to = split(name)
    if source in INTEGER:
        a, b, c = registers
    else:
        a, b, c = (unboxed(value, source) for value in registers)
        sign = FORMATS[PREFIX[source]].sign
        if name.startswith(("fnmadd", "fnmsub")):
            a ^= sign
        if name.startswith(("fmsub", "fnmadd")):
            c ^= sign
    result, flags = evaluate(function, a, b, c, rm)
    return (boxed(result, to) if to in PREFIX else result), flags


def run(name: str, registers: tuple[int, ...], **how: int) -> tuple[int, int, int] | None:
    _, source, to = split(name)
    if source in INTEGER:
        return execute(name, x=registers[0], to_x=to not in PREFIX, **how)
    return execute(name, registers, to_x=to not in PREFIX, **how)


def check(name: str, registers: tuple[int, ...], rm: int, frm: int, fflags: int, fs: int) -> None:
    result, raised = expected(name, registers, frm if rm == DYNAMIC else rm)
    after = fflags | raised
    to_f = split(name)[2] in PREFIX
    wanted = result, after, DIRTY if to_f or after != fflags else fs
    got = run(name, registers, rm=rm, frm=frm, fflags=fflags, fs=fs)
    if got != wanted:
        shown = ", ".join(f"{value:#x}" for value in registers)
        pytest.fail(f"{name} of {shown}, {rm=} {frm=} {fflags=:#x} {fs=}: {got}, not {wanted} (rd = {result:#x})")


def random_registers(name: str, random: Random) -> tuple[int, ...]:
    function, source, _ = split(name)
    operands = random_operands(function, random)
    if source in INTEGER:
        return operands
    registers = [boxed(value, source) for value in operands]
    if source != "d" and random.random() < 0.1:
        # Not a box: upper bits that are not all ones, or a wider number.
        spoiled = random.randrange(3)
        registers[spoiled] = random.choice(
            (registers[spoiled] ^ 1 << random.randrange(WIDTH[source], 64), random.getrandbits(64), operands[spoiled])
        )
    return tuple(registers)


def test_the_rows_are_those_with_a_meaning_here():
    assert len(ROWS) == 112
    assert set(ROWS) >= BITWISE
    assert {name for name in ARITHMETIC if not rounded(name)} == {
        *(f"{what}.{suffix}" for what in UNROUNDED for suffix in "sdh"), "fcvtmod.w.d"
    }  # fmt: skip


@pytest.mark.parametrize("name", ARITHMETIC)
def test_random_operands(name):
    random = Random(name)
    for _ in range(1200):
        rm, frm = random.choice((*MODES, DYNAMIC, DYNAMIC)), random.choice(MODES)
        if not rounded(name):
            rm, frm = 0, RNE
        check(name, random_registers(name, random), rm, frm, random.choice(FLAG_STATES), random.choice((1, 2, 3)))


# Where the host's FPU computes: nearest-even, or for integers truncation, with "inexact" set already.
BY_HOST = [
    name
    for name in ARITHMETIC
    if not name.endswith(".h") and re.match(r"f(add|sub|mul|div|sqrt|n?madd|n?msub|min|max|eq|lt|le|cvt)\.", name)
]


@pytest.mark.parametrize("name", BY_HOST)
def test_the_host_computes_what_softfloat_does(name):
    random = Random(name)
    mode = RTZ if name.startswith("fcvt") and split(name)[2] in INTEGER else RNE
    for _ in range(4000):
        check(name, random_registers(name, random), random.choice((mode, DYNAMIC)), mode, NX, DIRTY)


@pytest.mark.parametrize("name", [name for name in BY_HOST if re.match(r"f(add|sub|mul|div)\.", name)])
def test_the_host_at_the_ends_of_its_range(name):
    suffix = name[-1]
    numbers = [boxed(a, suffix) for a in edges(FORMATS[PREFIX[suffix]])]
    for a in numbers:
        for b in numbers:
            check(name, (a, b, 0), RNE, RNE, NX, DIRTY)


@pytest.mark.parametrize("name", ARITHMETIC)
def test_reserved_modes_are_illegal(name):
    if not rounded(name):
        # No rounding mode: frm may hold anything.
        assert run(name, (0, 0, 0), rm=0, frm=5) is not None
        return
    for rm in (5, 6):
        assert run(name, (0, 0, 0), rm=rm) is None
        assert run(name, (0, 0, 0), rm=rm, fflags=NX) is None
    for frm in (5, 6, 7):
        assert run(name, (0, 0, 0), rm=DYNAMIC, frm=frm) is None
        assert run(name, (0, 0, 0), rm=DYNAMIC, frm=frm, fflags=NX) is None
        assert run(name, (0, 0, 0), rm=RNE, frm=frm) is not None


@pytest.mark.parametrize("name", [*ARITHMETIC, *sorted(BITWISE)])
def test_fs_off_is_illegal(name):
    for fflags in (0, NX):
        assert execute(name, fs=OFF, fflags=fflags, to_x=name.startswith(("fmv.x", "fclass"))) is None


@pytest.mark.parametrize("suffix", "sdh")
def test_signs_are_injected(suffix):
    form, random = FORMATS[PREFIX[suffix]], Random(suffix)
    for _ in range(500):
        a, b = (boxed(random_pattern(form, random), suffix) for _ in range(2))
        if random.random() < 0.2 and suffix != "d":
            b = random.getrandbits(64)
        x, y = unboxed(a, suffix), unboxed(b, suffix)
        magnitude, negative, other = x & ~form.sign, bool(x & form.sign), bool(y & form.sign)
        for what, sign in (("fsgnj", other), ("fsgnjn", not other), ("fsgnjx", other != negative)):
            got = execute(f"{what}.{suffix}", (a, b, 0))
            assert got == (boxed(magnitude | (form.sign if sign else 0), suffix), 0, DIRTY), what


@pytest.mark.parametrize("suffix", "wdh")
def test_moves_keep_bits(suffix):
    width, random = WIDTH[suffix], Random(suffix)
    for _ in range(300):
        word = random_integer(random)
        low = word % 2**width
        assert execute(f"fmv.{suffix}.x", x=word, fflags=4) == (low | MASK64 << width & MASK64, 4, DIRTY)
        # To an x register: the box is not looked at, the sign is extended, FS stays.
        extended = (low - 2**width if low >> (width - 1) else low) % 2**64
        assert execute(f"fmv.x.{suffix}", (word, 0, 0), fs=CLEAN, to_x=True) == (extended, 0, CLEAN)


@pytest.mark.parametrize("suffix", "sdh")
def test_fli_constants(suffix):
    form = FORMATS[PREFIX[suffix]]
    values = [
        -1, None, 2**-16, 2**-15, 2**-8, 2**-7, 2**-4, 2**-3,
        0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875,
        1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 8, 16, 128, 256, 2**15, 2**16,
    ]  # fmt: skip
    for index, value in enumerate(values):
        if value is None:
            pattern = 1 << form.fraction_bits  # the smallest normal number
        else:
            n, d = float(value).as_integer_ratio()
            pattern, _ = round_ratio(form, n < 0, abs(n), d, RNE)  # 2**16 is out of binary16's range: infinity
        assert execute(f"fli.{suffix}", index=index) == (boxed(pattern, suffix), 0, DIRTY), index
    assert execute(f"fli.{suffix}", index=30)[0] == boxed(form.infinity, suffix)
    assert execute(f"fli.{suffix}", index=31)[0] == boxed(form.nan, suffix)


def test_the_rounding_mode_of_the_host_process_does_not_matter():
    upward = {"x86_64": 0x800, "aarch64": 0x400000}.get(platform.machine())
    if upward is None:
        return  # softfloat alone is used there
    libc = ctypes.CDLL(None)
    one, third = 0x3FF0000000000000, 0x3FD5555555555555
    nearest = expected("fdiv.d", (one, 0x4008000000000000, 0), RNE)[0]
    assert nearest == third
    assert libc.fesetround(upward) == 0
    try:
        got = execute("fdiv.d", (one, 0x4008000000000000, 0), fflags=NX)
        still = libc.fegetround()
    finally:
        libc.fesetround(0)
    assert got == (third, NX, DIRTY)
    assert still == upward
