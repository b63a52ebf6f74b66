"""Every extension: its version, what it brings along, what it needs, and the choice of a user (:class:`Isa`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from vmcore._fast.hart.isabits import ISA_BITS

__all__ = ["EXTENSIONS", "REFUSED", "Extension", "Isa", "canonical_order", "closure"]


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension, or a promise that has a name like one.

    Parameters
    ----------
    name : str
        Its name in lower case.
    version : tuple of int
        Major and minor.
    description : str
        What it is, in a few words.
    implies : tuple of str
        Extensions that are on with it.
    needs : tuple of str
        Extensions that must be chosen besides: naming this one does not turn them on.
    part_of : tuple of str
        It is on exactly when all of these are: a named part of something larger.
    bundle : bool
        A name for what it implies: it is on exactly when all of that is, and it is not listed.
    """

    name: str
    version: tuple[int, int]
    description: str
    implies: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    part_of: tuple[str, ...] = ()
    bundle: bool = False


def _one(name: str, version: str, description: str, *, implies: str = "", needs: str = "", part_of: str = "",
         bundle: bool = False) -> Extension:
    major, minor = version.split(".")
    return Extension(name, (int(major), int(minor)), description, tuple(implies.split()), tuple(needs.split()),
                     tuple(part_of.split()), bundle)


_LETTERS = (
    _one("i", "2.1", "base integer instructions"),
    _one("m", "2.0", "multiplication and division"),
    _one("a", "2.1", "atomic instructions"),
    _one("f", "2.2", "single-precision floating point", implies="zicsr"),
    _one("d", "2.2", "double-precision floating point", implies="f"),
    _one("c", "2.0", "compressed instructions"),
    _one("b", "1.0", "bit manipulation", implies="zba zbb zbs", bundle=True),
    _one("g", "2.0", "the general-purpose set", implies="i m a f d zicsr zifencei", bundle=True),
    _one("s", "1.13", "supervisor mode", implies="u"),
    _one("u", "1.13", "user mode"),
)

_UNPRIVILEGED = (
    _one("zicbom", "1.0", "cache-block management", implies="zicsr"),
    _one("zicbop", "1.0", "cache-block prefetch hints"),
    _one("zicboz", "1.0", "cache-block zeroing", implies="zicsr"),
    _one("zicntr", "2.0", "base counters and timers", implies="zicsr"),
    _one("zicond", "1.0", "conditional operations"),
    _one("zicsr", "2.0", "control and status registers"),
    _one("zifencei", "2.0", "instruction-fetch fence"),
    _one("zihintntl", "1.0", "non-temporal locality hints"),
    _one("zihintpause", "2.0", "pause hint"),
    _one("zihpm", "2.0", "hardware performance counters", implies="zicsr"),
    _one("zimop", "1.0", "may-be-operations"),
    _one("zmmul", "1.0", "the multiplications of M", part_of="m"),
    _one("zaamo", "1.0", "the read-modify-write operations of A", part_of="a"),
    _one("zabha", "1.0", "byte and halfword atomics", needs="a"),
    _one("zacas", "1.0", "atomic compare-and-swap", needs="a"),
    _one("zalrsc", "1.0", "load-reserved and store-conditional of A", part_of="a"),
    _one("zawrs", "1.0", "wait on reservation set", needs="a"),
    _one("zfa", "1.0", "additional floating point", implies="f"),
    _one("zfh", "1.0", "half-precision floating point", implies="zfhmin"),
    _one("zfhmin", "1.0", "half-precision loads, stores and conversions", implies="f"),
    _one("zca", "1.0", "the integer instructions of C", part_of="c"),
    _one("zcb", "1.0", "more compressed instructions", needs="c"),
    _one("zcd", "1.0", "the double-precision loads and stores of C", part_of="c d"),
    _one("zcmop", "1.0", "compressed may-be-operations", needs="c"),
    _one("zba", "1.0", "address generation"),
    _one("zbb", "1.0", "basic bit manipulation"),
    _one("zbc", "1.0", "carry-less multiplication"),
    _one("zbkb", "1.0", "bit manipulation for cryptography"),
    _one("zbkc", "1.0", "carry-less multiplication for cryptography"),
    _one("zbkx", "1.0", "crossbar permutations"),
    _one("zbs", "1.0", "single-bit instructions"),
    _one("zk", "1.0", "scalar cryptography", implies="zkn zkr zkt", bundle=True),
    _one("zkn", "1.0", "NIST algorithms", implies="zbkb zbkc zbkx zkne zknd zknh", bundle=True),
    _one("zknd", "1.0", "AES decryption"),
    _one("zkne", "1.0", "AES encryption"),
    _one("zknh", "1.0", "SHA-2"),
    _one("zkr", "1.0", "entropy source", implies="zicsr"),
    _one("zks", "1.0", "ShangMi algorithms", implies="zbkb zbkc zbkx zksed zksh", bundle=True),
    _one("zksed", "1.0", "SM4"),
    _one("zksh", "1.0", "SM3"),
    _one("zkt", "1.0", "data-independent execution latency"),
)

_PRIVILEGED = (
    _one("ssstateen", "1.0", "supervisor view of the state enables", part_of="smstateen s"),
    _one("sstc", "1.0", "supervisor timer comparison", needs="s"),
    _one("sv39", "1.0", "39-bit virtual addresses", needs="s"),
    _one("sv48", "1.0", "48-bit virtual addresses", implies="sv39", needs="s"),
    _one("sv57", "1.0", "57-bit virtual addresses", implies="sv48", needs="s"),
    _one("svade", "1.0", "page faults where A or D is clear", needs="s"),
    _one("svadu", "1.0", "hardware updates of A and D", needs="s"),
    _one("svbare", "1.0", "no address translation", needs="s"),
    _one("svinval", "1.0", "fine-grained translation invalidation", needs="s sv39"),
    _one("svnapot", "1.0", "naturally aligned groups of pages", needs="s sv39"),
    _one("svpbmt", "1.0", "memory types in page tables", needs="s sv39"),
    _one("smstateen", "1.0", "state enables", implies="zicsr"),
)

# Names of the profiles for what this machine always does: they are accepted, and nothing turns them off.
_PROMISES = (
    _one("za64rs", "1.0", "reservation sets of at most 64 bytes"),
    _one("zic64b", "1.0", "cache blocks of 64 bytes"),
    _one("ziccamoa", "1.0", "main memory supports all atomics"),
    _one("ziccif", "1.0", "main memory supports aligned fetches in one piece"),
    _one("zicclsm", "1.0", "main memory supports misaligned accesses"),
    _one("ziccrse", "1.0", "main memory supports eventual success of sc"),
    _one("ss", "1.13", "the supervisor architecture", needs="s"),
    _one("ssccptr", "1.0", "main memory supports page-table reads", needs="s"),
    _one("sscounterenw", "1.0", "every counter can be enabled by scounteren", needs="s"),
    _one("sstvala", "1.0", "stval holds what the architecture can give", needs="s"),
    _one("sstvecd", "1.0", "stvec takes any aligned direct address", needs="s"),
    _one("ssu64xl", "1.0", "UXL can be 64", needs="s"),
    _one("sm", "1.13", "the machine architecture"),
)

#: Every extension by name.
EXTENSIONS: dict[str, Extension] = {
    one.name: one for one in (*_LETTERS, *_UNPRIVILEGED, *_PRIVILEGED, *_PROMISES)
}

#: What people ask for and do not get, and why.
REFUSED = {
    "e": "the base with 16 registers is not offered; use the base 'i'",
    "h": "the hypervisor extension is not offered",
    "n": "user-level interrupts were never ratified",
    "p": "packed SIMD is not offered",
    "q": "quadruple precision is not offered",
    "v": "the vector extension is not offered",
    "zcf": "it exists on RV32 only",
    "zcmp": "it takes the encodings of c.fsdsp and so contradicts 'd'",
    "zcmt": "it takes the encodings of c.fsdsp and so contradicts 'd'",
    "zdinx": "floating point in integer registers contradicts 'f' and is not offered",
    "zfinx": "floating point in integer registers contradicts 'f' and is not offered",
    "zhinx": "floating point in integer registers contradicts 'f' and is not offered",
    "zhinxmin": "floating point in integer registers contradicts 'f' and is not offered",
}

_LETTER_ORDER = "imafdqlcbkjtpvh"


def canonical_order(name: str) -> tuple[int, int, str]:
    """Return a sort key for the order of the specification.

    Letters first, in their own order; then Z by the letter that follows, S, Sm.
    """
    if len(name) == 1:
        return 0, _LETTER_ORDER.find(name), name
    if name.startswith("z"):
        return 1, _LETTER_ORDER.find(name[1]), name
    return (3 if name.startswith("sm") else 2), 0, name


def closure(names: frozenset[str]) -> frozenset[str]:
    """Return `names` with everything that they imply, and every part and bundle that is complete."""
    result = set(names)
    while True:
        more = {also for name in result for also in EXTENSIONS[name].implies}
        more |= {one.name for one in EXTENSIONS.values() if one.part_of and result.issuperset(one.part_of)}
        more |= {one.name for one in EXTENSIONS.values() if one.bundle and result.issuperset(one.implies)}
        if more <= result:
            return frozenset(result)
        result |= more


@dataclass(frozen=True, slots=True)
class Isa:
    """The instruction set of a hart.

    Built by :func:`vmcore.isa.riscv.isastring.parse_isa` or :meth:`default`.

    Parameters
    ----------
    names : frozenset of str
        Every extension that is on, implied ones and the privilege modes ``s`` and ``u`` included.
    """

    names: frozenset[str]

    @property
    def mask(self) -> int:
        """The bits of the compiled core (:data:`vmcore._fast.hart.isabits.ISA_BITS`), 64 bits wide."""
        return sum(1 << bit for name, bit in ISA_BITS.items() if name in self.names)

    @property
    def vm(self) -> int:
        """The widest virtual address offered: 57, 48, 39, or 0 where there is no translation."""
        return next((width for width in (57, 48, 39) if f"sv{width}" in self.names), 0)

    @property
    def extensions(self) -> list[str]:
        """Names in canonical order without bundles and privilege modes: ``riscv,isa-extensions``."""
        listed = [name for name in self.names if not EXTENSIONS[name].bundle and name not in ("s", "u")]
        return sorted(listed, key=canonical_order)

    def has(self, name: str) -> bool:
        """Whether the extension is on."""
        return name.lower() in self.names

    def string(self) -> str:
        """Return the canonical string, as ``riscv,isa`` of the device tree has it."""
        names = self.extensions
        letters = "".join(name for name in names if len(name) == 1)
        return "_".join(["rv64" + letters, *(name for name in names if len(name) > 1)])

    def __str__(self) -> str:
        """Return the canonical string."""
        return self.string()

    @staticmethod
    @cache
    def default() -> Isa:
        """Return everything that the machine has, with 57-bit virtual addresses."""
        return Isa(closure(frozenset(["i", *ISA_BITS])))
