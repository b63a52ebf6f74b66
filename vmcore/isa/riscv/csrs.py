"""Every control and status register: number, name, who may touch it, what it needs, which values it takes.

Sources: The RISC-V Instruction Set Manual, volume II (privileged architecture 1.13), "CSR Listing" and the sections
that each row names; volume I for the floating-point, counter and entropy CSRs.
"""

from __future__ import annotations

from dataclasses import dataclass

from vmcore.errors import IsaError

__all__ = ["BY_NAME", "BY_NUMBER", "CSRS", "Csr", "csr_name", "csr_number"]


@dataclass(frozen=True, slots=True)
class Csr:
    """A control and status register.

    Parameters
    ----------
    number : int
        Its number, 12 bits.
    name : str
        Its name.
    extensions : tuple of str
        What a hart must have for it to exist; all of them.
    description : str
        What it holds.
    warl : str
        Which values it takes: what is fixed, what is adjusted on a write.
    section : str
        Where the specification describes it.
    """

    number: int
    name: str
    extensions: tuple[str, ...]
    description: str
    warl: str
    section: str

    @property
    def privilege(self) -> str:
        """The lowest privilege mode that may touch it: ``U``, ``S`` or ``M`` (bits 9:8 of the number)."""
        return "USHM"[self.number >> 8 & 3]

    @property
    def access(self) -> str:
        """``rw`` or ``ro`` (bits 11:10 of the number)."""
        return "ro" if self.number >> 10 == 3 else "rw"


def _csr(number: int, name: str, extensions: str, description: str, warl: str, section: str) -> Csr:
    return Csr(number, name, tuple(extensions.split()), description, warl, section)


_ANY = "any value"
_COUNTER = "64 bits; writable in M-mode through its machine counterpart"

_USER = (
    _csr(0x001, "fflags", "f", "accrued floating-point exceptions", "bits 4:0", "I, Floating-Point CSR"),
    _csr(0x002, "frm", "f", "dynamic rounding mode", "bits 2:0; 5, 6 and 7 are held and make dynamic rounding illegal",
         "I, Floating-Point CSR"),
    _csr(0x003, "fcsr", "f", "frm and fflags", "bits 7:0", "I, Floating-Point CSR"),
    _csr(0x015, "seed", "zkr", "entropy source: status in bits 31:30, 16 bits of seed",
         "must be accessed by csrrw; what is written is ignored", "I, Entropy Source"),
    _csr(0xC00, "cycle", "zicntr", "cycles", _COUNTER, "I, Zicntr"),
    _csr(0xC01, "time", "zicntr", "wall-clock time in ticks of the timebase", "follows mtime", "I, Zicntr"),
    _csr(0xC02, "instret", "zicntr", "instructions retired", _COUNTER, "I, Zicntr"),
    *(
        _csr(0xC00 + n, f"hpmcounter{n}", "zihpm", f"performance counter {n}", _COUNTER, "I, Zihpm")
        for n in range(3, 32)
    ),
)

_SUPERVISOR = (
    _csr(0x100, "sstatus", "s", "supervisor status: the part of mstatus that S-mode may see",
         "SIE, SPIE, SPP, FS, SUM, MXR writable; UXL = 64 bits; VS, XS = 0; SD follows FS", "II, sstatus"),
    _csr(0x104, "sie", "s", "supervisor interrupt enables", "the bits of mie that mideleg delegates",
         "II, sip and sie"),
    _csr(0x105, "stvec", "s", "supervisor trap vector", "base aligned to 4 bytes; mode 0 (direct) or 1 (vectored)",
         "II, stvec"),
    _csr(0x106, "scounteren", "s", "counters that U-mode may read", "bits 31:0", "II, scounteren"),
    _csr(0x10A, "senvcfg", "s", "environment of U-mode",
         "FIOM; CBIE (2 is reserved) and CBCFE with Zicbom; CBZE with Zicboz", "II, senvcfg"),
    *(
        _csr(0x10C + n, f"sstateen{n}", "s smstateen", f"state enables {n} of U-mode",
             "bits that mstateen enables" if n == 0 else "read-only zero", "II, State Enable Extension")
        for n in range(4)
    ),
    _csr(0x140, "sscratch", "s", "scratch register", _ANY, "II, sscratch"),
    _csr(0x141, "sepc", "s", "pc of the trap", "bit 0 is zero; bit 1 too while C is off", "II, sepc"),
    _csr(0x142, "scause", "s", "cause of the trap", _ANY, "II, scause"),
    _csr(0x143, "stval", "s", "address or encoding that caused the trap", _ANY, "II, stval"),
    _csr(0x144, "sip", "s", "supervisor interrupts pending", "SSIP writable where delegated", "II, sip and sie"),
    _csr(0x14D, "stimecmp", "s sstc", "time of the supervisor timer interrupt", "64 bits", "II, Sstc"),
    _csr(0x180, "satp", "s", "address translation: mode, ASID (16 bits), root page",
         "a write of a mode that is not offered changes nothing", "II, satp"),
    _csr(0xDA0, "scountovf", "s sscofpmf", "overflow bits of the counters",
         "Sscofpmf is not offered: every access is illegal", "II, Sscofpmf"),
)

_MACHINE = (
    _csr(0xF11, "mvendorid", "", "vendor", "constant", "II, mvendorid"),
    _csr(0xF12, "marchid", "", "microarchitecture", "constant", "II, marchid"),
    _csr(0xF13, "mimpid", "", "implementation", "constant", "II, mimpid"),
    _csr(0xF14, "mhartid", "", "number of the hart", "constant", "II, mhartid"),
    _csr(0xF15, "mconfigptr", "", "configuration data", "zero: there is none", "II, mconfigptr"),
    _csr(0x300, "mstatus", "", "machine status",
         "MPP holds modes that exist; FS; SXL and UXL = 64 bits; VS, XS = 0; SD follows FS", "II, mstatus"),
    _csr(0x301, "misa", "", "base and letters of the instruction set", "read-only here: writes change nothing",
         "II, misa"),
    _csr(0x302, "medeleg", "s", "exceptions handled in S-mode", "bit 11 (ecall from M-mode) is zero",
         "II, medeleg and mideleg"),
    _csr(0x303, "mideleg", "s", "interrupts handled in S-mode", "the supervisor interrupts SSI, STI, SEI",
         "II, medeleg and mideleg"),
    _csr(0x304, "mie", "", "machine interrupt enables", "the standard bits of the modes that exist", "II, mip and mie"),
    _csr(0x305, "mtvec", "", "machine trap vector", "base aligned to 4 bytes; mode 0 (direct) or 1 (vectored)",
         "II, mtvec"),
    _csr(0x306, "mcounteren", "u", "counters that the next lower mode may read", "bits 31:0", "II, mcounteren"),
    _csr(0x30A, "menvcfg", "u", "environment of the lower modes",
         "FIOM; CBIE (2 is reserved), CBCFE, CBZE, ADUE, PBMTE, STCE where their extensions are on", "II, menvcfg"),
    *(
        _csr(0x30C + n, f"mstateen{n}", "smstateen", f"state enables {n} of the lower modes",
             "bits of state that exists, and bit 63" if n == 0 else "bit 63", "II, State Enable Extension")
        for n in range(4)
    ),
    _csr(0x320, "mcountinhibit", "", "counters that stand still", "bit 1 is zero", "II, mcountinhibit"),
    *(
        _csr(0x320 + n, f"mhpmevent{n}", "", f"event that counter {n} counts", "64 bits",
             "II, Hardware Performance Monitor")
        for n in range(3, 32)
    ),
    _csr(0x340, "mscratch", "", "scratch register", _ANY, "II, mscratch"),
    _csr(0x341, "mepc", "", "pc of the trap", "bit 0 is zero; bit 1 too while C is off", "II, mepc"),
    _csr(0x342, "mcause", "", "cause of the trap", _ANY, "II, mcause"),
    _csr(0x343, "mtval", "", "address or encoding that caused the trap", _ANY, "II, mtval"),
    _csr(0x344, "mip", "", "machine interrupts pending", "SSIP, STIP (while Sstc does not drive it) and SEIP writable",
         "II, mip and mie"),
    *(
        _csr(0x3A0 + n, f"pmpcfg{n}", "", f"PMP configuration of entries {4 * n} to {4 * n + 7}",
             "locked entries keep their value; W without R is not taken", "II, Physical Memory Protection CSRs")
        for n in range(0, 16, 2)
    ),
    *(
        _csr(0x3B0 + n, f"pmpaddr{n}", "", f"PMP address of entry {n}", "bits 53:0; locked entries keep their value",
             "II, Physical Memory Protection CSRs")
        for n in range(64)
    ),
    _csr(0x7A0, "tselect", "", "trigger select; the hart has no triggers", "0", "II, Sdtrig"),
    _csr(0x7A1, "tdata1", "", "trigger data: type 0, no trigger", "0", "II, Sdtrig"),
    _csr(0x7A2, "tdata2", "", "trigger data", "0", "II, Sdtrig"),
    _csr(0x7A3, "tdata3", "", "trigger data", "0", "II, Sdtrig"),
    _csr(0x747, "mseccfg", "zkr", "security configuration", "USEED and SSEED", "II, mseccfg"),
    _csr(0xB00, "mcycle", "", "cycles", "64 bits", "II, Hardware Performance Monitor"),
    _csr(0xB02, "minstret", "", "instructions retired", "64 bits", "II, Hardware Performance Monitor"),
    *(
        _csr(0xB00 + n, f"mhpmcounter{n}", "", f"performance counter {n}", "64 bits",
             "II, Hardware Performance Monitor")
        for n in range(3, 32)
    ),
)

#: Every CSR in the order of its number.
CSRS: tuple[Csr, ...] = tuple(sorted((*_USER, *_SUPERVISOR, *_MACHINE), key=lambda one: one.number))

#: Every CSR by number.
BY_NUMBER: dict[int, Csr] = {one.number: one for one in CSRS}

#: Every CSR by name.
BY_NAME: dict[str, Csr] = {one.name: one for one in CSRS}


def csr_name(number: int) -> str:
    """Return the name of a CSR, or its number in hexadecimal where it has none."""
    return BY_NUMBER[number].name if number in BY_NUMBER else f"0x{number:x}"


def csr_number(name: str) -> int:
    """Return the number of a CSR.

    Parameters
    ----------
    name : str
        Its name; case does not matter.

    Returns
    -------
    int
        Its number.

    Raises
    ------
    IsaError
        There is no CSR of that name.
    """
    found = BY_NAME.get(name.lower())
    if found is None:
        raise IsaError(f"there is no CSR {name!r}", hint="vmcore.isa.riscv.csrs.BY_NAME lists every name")
    return found.number
