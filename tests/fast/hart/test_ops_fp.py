"""The handlers of F, D, Zfh and Zfa: operands, boxes, modes, flags and FS, by the host FPU and by softfloat."""

import ctypes
import platform
import re
from random import Random

import pytest
from support.fp_model import DYNAMIC, INTEGER, PREFIX, ROWS, boxed, expected, from_x, random_sources, rounded, to_x
from support.fp_patterns import edges
from support.ieee754 import FORMATS, MODES, NX, RNE, RTZ

import vmcore._fast.hart.ops_fp  # noqa: F401  (registers the handlers)
from vmcore._fast.hart.single_fp import execute

OFF, INITIAL, CLEAN, DIRTY = range(4)
NAMES = sorted(ROWS)
UNROUNDED = "fmin fmax fminm fmaxm feq flt fle fltq fleq fclass fsgnj fsgnjn fsgnjx fli"
FLAG_STATES = (0, NX, 31, 16)


def run(name: str, sources: tuple[int, ...], **how: int) -> tuple[int, int, int] | None:
    if from_x(name):
        return execute(name, x=sources[0], to_x=to_x(name), **how)
    return execute(name, sources, to_x=to_x(name), **how)


def check(name: str, sources: tuple[int, ...], rm: int, frm: int, fflags: int, fs: int) -> None:
    result, raised = expected(name, sources, frm if rm == DYNAMIC else rm)
    after = fflags | raised
    # A flag that was set already leaves fcsr, and so FS, as it is.
    wanted = result, after, fs if to_x(name) and after == fflags else DIRTY
    got = run(name, sources, rm=rm, frm=frm, fflags=fflags, fs=fs)
    if got != wanted:
        shown = ", ".join(f"{value:#x}" for value in sources)
        pytest.fail(f"{name} of {shown}, {rm=} {frm=} {fflags=:#x} {fs=}: {got}, not {wanted} (rd = {result:#x})")


def test_the_rows_are_those_with_a_meaning_here():
    assert len(ROWS) == 112
    alone = {"fcvtmod.w.d", "fmv.x.w", "fmv.w.x", "fmv.x.d", "fmv.d.x", "fmv.x.h", "fmv.h.x"}
    assert {name for name in NAMES if not rounded(name)} == alone | {
        f"{what}.{suffix}" for what in UNROUNDED.split() for suffix in "sdh"
    }


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("fli")])
def test_random_operands(name):
    random = Random(name)
    for _ in range(1200):
        rm, frm = random.choice((*MODES, DYNAMIC, DYNAMIC)), random.choice(MODES)
        if not rounded(name):
            rm = 0
        check(name, random_sources(name, random), rm, frm, random.choice(FLAG_STATES), random.choice((1, 2, 3)))


@pytest.mark.parametrize("suffix", "sdh")
def test_constants(suffix):
    for index in range(32):
        wanted, _ = expected(f"fli.{suffix}", (0, 0, 0), RNE, index)
        assert execute(f"fli.{suffix}", index=index, fflags=4) == (wanted, 4, DIRTY), index


# Where the host's FPU computes: nearest-even, or for integers truncation, with "inexact" set already.
BY_HOST = [
    name
    for name in NAMES
    if not name.endswith(".h") and re.match(r"f(add|sub|mul|div|sqrt|n?madd|n?msub|min|max|eq|lt|le|cvt)\.", name)
]


@pytest.mark.parametrize("name", BY_HOST)
def test_the_host_computes_what_is_exact(name):
    random = Random(name)
    mode = RTZ if name.startswith("fcvt") and name.split(".")[1] in INTEGER else RNE
    for _ in range(4000):
        rm = random.choice((mode, DYNAMIC)) if rounded(name) else 0
        check(name, random_sources(name, random), rm, mode, NX, DIRTY)


@pytest.mark.parametrize("name", [name for name in BY_HOST if re.match(r"f(add|sub|mul|div)\.", name)])
def test_the_host_at_the_ends_of_its_range(name):
    suffix = name[-1]
    numbers = [boxed(a, suffix) for a in edges(FORMATS[PREFIX[suffix]])]
    for a in numbers:
        for b in numbers:
            check(name, (a, b, 0), RNE, RNE, NX, DIRTY)


@pytest.mark.parametrize("name", NAMES)
def test_reserved_modes_are_illegal(name):
    if not rounded(name):
        # No rounding mode: frm may hold anything.
        assert run(name, (0, 0, 0), rm=0, frm=5) is not None
        return
    for fflags in (0, NX):
        for rm in (5, 6):
            assert run(name, (0, 0, 0), rm=rm, fflags=fflags) is None
        for frm in (5, 6, 7):
            assert run(name, (0, 0, 0), rm=DYNAMIC, frm=frm, fflags=fflags) is None
            assert run(name, (0, 0, 0), rm=RNE, frm=frm, fflags=fflags) is not None


@pytest.mark.parametrize("name", NAMES)
def test_fs_off_is_illegal(name):
    for fflags in (0, NX):
        assert run(name, (0, 0, 0), fs=OFF, fflags=fflags) is None


def test_the_rounding_mode_of_the_host_process_does_not_matter():
    upward = {"x86_64": 0x800, "aarch64": 0x400000}.get(platform.machine())
    if upward is None:
        return  # softfloat alone is used there
    libc = ctypes.CDLL(None)
    one, three, third = 0x3FF0000000000000, 0x4008000000000000, 0x3FD5555555555555
    assert libc.fesetround(upward) == 0
    try:
        got = execute("fdiv.d", (one, three, 0), fflags=NX)
        still = libc.fegetround()
    finally:
        libc.fesetround(0)
    assert got == (third, NX, DIRTY)
    assert still == upward
