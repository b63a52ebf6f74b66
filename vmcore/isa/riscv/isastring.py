"""Reading ISA strings such as ``rv64imafdc_zba_zbb_sv48``.

Source: The RISC-V Instruction Set Manual, volume I, "ISA Extension Naming Conventions".
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from vmcore.errors import IsaError
from vmcore.isa.riscv.extensions import EXTENSIONS, REFUSED, Isa, canonical_order, closure

__all__ = ["parse_isa"]

_VERSION = re.compile(r"(\d{1,4})(?:p(\d{1,4}))?")
# What every machine has, whatever the string says: there is no way to trap or to count without them.
_ALWAYS = ("zicsr", "zifencei", "zicntr")
_WIDTHS = ("svbare", "sv39", "sv48", "sv57")
_LONGEST = 2000
_PRIVILEGES = {"m": (), "mu": ("u",), "msu": ("s", "u")}

Version = tuple[int, int] | None


def parse_isa(text: str, *, privileges: str = "msu") -> Isa:
    """Read an ISA string.

    Case does not matter, nor does the order of the names; a name may carry a version (``i2p1``, ``zba1p0``) and may
    be repeated. What a name implies is turned on (``d`` brings ``f``, ``zkn`` its six parts). The string means
    exactly what it says, and besides Zicsr, Zifencei, Zicntr and, unless one of ``svbare``, ``sv39``, ``sv48`` or
    ``sv57`` is named, Sv57.

    Parameters
    ----------
    text : str
        The string; it begins with ``rv64i`` or ``rv64g``.
    privileges : {"msu", "mu", "m"}
        The privilege modes of the hart.

    Returns
    -------
    Isa
        What it says.

    Raises
    ------
    IsaError
        It is malformed, or names something unknown, not offered (RV32, V), contradictory or incomplete.

    Examples
    --------
    >>> parse_isa("RV64GC_Zba_sv39").vm
    39
    >>> parse_isa("rv64imac_svbare").string()
    'rv64imac_zicntr_zicsr_zifencei_zmmul_zaamo_zalrsc_zca_svbare'
    """
    if privileges not in _PRIVILEGES:
        raise IsaError(f"privileges={privileges!r} is no set of privilege modes", hint="Use 'msu', 'mu' or 'm'")
    if len(text) > _LONGEST:
        raise IsaError(f"ISA string {_brief(text)} has {len(text)} characters",
                       hint=f"At most {_LONGEST} are allowed: write for example 'rv64gc'")
    named = _named(text, _after_base(text))
    return _complete(text, set(named), privileges)


def _brief(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 120 else shown[:117] + "..."


def _fail(text: str, problem: str, hint: str) -> IsaError:
    return IsaError(f"ISA string {_brief(text)}: {problem}", hint=hint)


def _after_base(text: str) -> str:
    """Check the width and return the rest in lower case."""
    lower = text.strip().lower()
    width = re.match(r"rv(\d+)", lower)
    if width is None:
        raise _fail(text, "it does not begin with 'rv64'", "Write for example 'rv64gc' or 'rv64imac_zba'")
    if width[1] != "64":
        raise _fail(text, f"RV{width[1]} is not offered", "Only 64-bit harts exist: begin with 'rv64'")
    rest = lower[width.end():]
    if not rest.startswith(("i", "g")):
        if rest.startswith("e"):
            raise _fail(text, REFUSED["e"], "Begin with 'rv64i' or 'rv64g'")
        raise _fail(text, "the base instruction set is missing", "Begin with 'rv64i' or 'rv64g'")
    return rest


def _named(text: str, rest: str) -> dict[str, Version]:
    """Return the extensions that the string names, with their versions where given."""
    named: dict[str, Version] = {}
    parts = rest.split("_")
    if "" in parts:
        raise _fail(text, "a name between two underscores, or at the end, is missing", "Write one '_' between names")
    for part in parts:
        while part:
            name, version, part = _take(text, part)
            _check_version(text, name, version)
            before = named.get(name)
            if before is not None and version is not None and before != version:
                raise _fail(text, f"'{name}' is named with two versions", "Name it once")
            named[name] = version if version is not None else before
    return named


def _take(text: str, part: str) -> tuple[str, Version, str]:
    """Take one name and its version off the front of `part`."""
    whole = _multi_letter(part)
    if whole is not None:
        return *whole, ""
    letter = part[0]
    if letter in "zx" or (letter == "s" and len(part) > 1 and part[1] not in "u_" and not part[1].isdigit()):
        raise _unknown(text, part)
    if letter not in EXTENSIONS or len(letter) != 1:
        raise _unknown(text, letter)
    version = _VERSION.match(part, 1)
    if version is None:
        return letter, None, part[1:]
    return letter, (int(version[1]), int(version[2] or 0)), part[version.end():]


def _multi_letter(part: str) -> tuple[str, Version] | None:
    """Read `part` as one long name with or without a version. Some names end in digits, so the longest one wins."""
    candidates = [name for name in EXTENSIONS if len(name) > 1 and part.startswith(name)]
    for name in sorted(candidates, key=len, reverse=True):
        if part == name:
            return name, None
        version = _VERSION.fullmatch(part, len(name))
        if version is not None:
            return name, (int(version[1]), int(version[2] or 0))
    return None


def _unknown(text: str, name: str) -> IsaError:
    plain = re.sub(r"\d+(p\d+)?$", "", name)
    for candidate in (name, plain):
        if candidate in REFUSED:
            return _fail(text, f"'{candidate}' cannot be had: {REFUSED[candidate]}", "Leave it out")
    if name.startswith(("zve", "zvl", "zvk", "zvf", "zvb")):
        return _fail(text, f"'{name}' cannot be had: {REFUSED['v']}", "Leave it out")
    close = get_close_matches(plain, [one for one in EXTENSIONS if len(one) > 1], 1)
    meant = f" (did you mean '{close[0]}'?)" if close else ""
    offered = " ".join(sorted(EXTENSIONS, key=canonical_order))
    return _fail(text, f"unknown extension '{_brief(name)[1:-1]}'{meant}", f"Offered are: {offered}")


def _check_version(text: str, name: str, version: Version) -> None:
    offered = EXTENSIONS[name].version
    if version is not None and version[0] != offered[0]:
        raise _fail(text, f"version {version[0]}.{version[1]} of '{name}' is not offered",
                    f"Version {offered[0]}.{offered[1]} is: write '{name}'")


def _complete(text: str, named: set[str], privileges: str) -> Isa:
    """Add what is implied, and check that it fits together."""
    modes = _PRIVILEGES[privileges]
    for mode in {"s", "u"} & named - set(modes):
        raise _fail(text, f"'{mode}' contradicts privileges={privileges!r}", "Leave one of the two out")
    if "svbare" in named and named & {"sv39", "sv48", "sv57"}:
        other = sorted(named & {"sv39", "sv48", "sv57"})[-1]
        raise _fail(text, f"'svbare' (no translation) contradicts '{other}'", "Name one of the two")
    chosen = {*named, *_ALWAYS, *modes}
    if "s" in modes and not chosen.intersection(_WIDTHS):
        chosen.add("sv57")
    names = closure(frozenset(chosen))
    for name in sorted(names, key=canonical_order):
        missing = [need for need in (*EXTENSIONS[name].needs, *EXTENSIONS[name].part_of) if need not in names]
        if missing:
            mode = f" (privileges={privileges!r})" if missing[0] in ("s", "u") else ""
            raise _fail(text, f"'{name}' needs '{missing[0]}'{mode}", f"Add it, or leave '{name}' out")
    return Isa(names)
