import re

import pytest

from vmcore._fast.hart.isabits import ISA_BITS
from vmcore._fast.run import Core
from vmcore.errors import IsaError
from vmcore.isa.riscv import Isa, parse_isa
from vmcore.isa.riscv.csrs import BY_NAME, BY_NUMBER, CSRS, csr_name, csr_number

# From the specification's listing, independently of the table.
EXPECTED = {
    "fflags": 0x001, "frm": 0x002, "fcsr": 0x003, "seed": 0x015, "cycle": 0xC00, "time": 0xC01, "instret": 0xC02,
    "sstatus": 0x100, "sie": 0x104, "stvec": 0x105, "scounteren": 0x106, "senvcfg": 0x10A, "sstateen0": 0x10C,
    "sstateen3": 0x10F, "sscratch": 0x140, "sepc": 0x141, "scause": 0x142, "stval": 0x143, "sip": 0x144,
    "stimecmp": 0x14D, "satp": 0x180, "scountovf": 0xDA0, "mvendorid": 0xF11, "marchid": 0xF12, "mimpid": 0xF13,
    "mhartid": 0xF14, "mconfigptr": 0xF15, "mstatus": 0x300, "misa": 0x301, "medeleg": 0x302, "mideleg": 0x303,
    "mie": 0x304, "mtvec": 0x305, "mcounteren": 0x306, "menvcfg": 0x30A, "mstateen0": 0x30C, "mstateen3": 0x30F,
    "mcountinhibit": 0x320, "mhpmevent3": 0x323, "mhpmevent31": 0x33F, "mscratch": 0x340, "mepc": 0x341,
    "mcause": 0x342, "mtval": 0x343, "mip": 0x344, "pmpcfg0": 0x3A0, "pmpcfg14": 0x3AE, "pmpaddr0": 0x3B0,
    "pmpaddr63": 0x3EF, "mseccfg": 0x747, "tselect": 0x7A0, "tdata1": 0x7A1, "tdata2": 0x7A2, "tdata3": 0x7A3,
    "mcycle": 0xB00, "minstret": 0xB02, "mhpmcounter3": 0xB03,
    "mhpmcounter31": 0xB1F, "hpmcounter3": 0xC03, "hpmcounter31": 0xC1F,
}  # fmt: skip
# Families: first and last members are above.
COUNTS = {
    "pmpcfg": 8, "pmpaddr": 64, "mhpmcounter": 29, "mhpmevent": 29, "hpmcounter": 29, "mstateen": 4, "sstateen": 4,
}  # fmt: skip


@pytest.mark.parametrize(("name", "number"), EXPECTED.items())
def test_numbers_are_those_of_the_specification(name, number):
    assert csr_number(name) == number
    assert csr_number(name.upper()) == number
    assert csr_name(number) == name


def test_nothing_else_and_nothing_twice():
    singles = {one.name for one in CSRS if not re.fullmatch(rf"({'|'.join(COUNTS)})\d+", one.name)}
    assert singles == {name for name in EXPECTED if not re.fullmatch(rf"({'|'.join(COUNTS)})\d+", name)}
    for family, count in COUNTS.items():
        assert sum(bool(re.fullmatch(rf"{family}\d+", one.name)) for one in CSRS) == count
    assert len(BY_NAME) == len(BY_NUMBER) == len(CSRS)


def test_families_are_numbered_in_a_row():
    for name, one in BY_NAME.items():
        match = re.fullmatch(r"(pmpcfg|pmpaddr|[ms]stateen)(\d+)", name)
        if match:
            assert one.number == BY_NAME[f"{match[1]}0"].number + int(match[2])
        match = re.fullmatch(r"(m?hpmcounter|mhpmevent)(\d+)", name)
        if match:
            assert one.number == BY_NAME[f"{match[1]}3"].number + int(match[2]) - 3


def test_privilege_and_access_follow_the_number_and_the_name():
    for one in CSRS:
        assert 0 <= one.number < 4096
        expected = {"m": "M", "p": "M", "t": "M", "s": "S"}.get(one.name[0], "U") if one.name != "time" else "U"
        assert one.privilege == ("U" if one.name == "seed" else expected)
        read_only = one.privilege == "U" and one.number >= 0xC00
        assert (one.access == "ro") == (read_only or one.number >= 0xF00 or one.name == "scountovf")
        assert set(one.extensions) <= {*ISA_BITS, "sscofpmf"}
        assert one.description
        assert one.warl
        assert one.section.startswith(("I, ", "II, "))


def test_unknown_numbers_and_names():
    assert csr_name(0x7C0) == "0x7c0"
    with pytest.raises(IsaError, match="no CSR 'mfoo'"):
        csr_number("mfoo")


@pytest.mark.parametrize(
    "isa",
    [Isa.default(), parse_isa("rv64gc"), parse_isa("rv64i"), parse_isa("rv64gc_zihpm_sstc", privileges="msu"),
     parse_isa("rv64imac", privileges="mu"), parse_isa("rv64imac_smstateen_zkr", privileges="m")],
    ids=str,
)  # fmt: skip
def test_a_hart_has_exactly_the_csrs_that_its_extensions_bring(isa):
    core = Core(1, isa.mask)
    there = {number for number in range(4096) if core.csr_read(0, number) is not None}
    core.close()
    assert there == {one.number for one in CSRS if isa.names.issuperset(one.extensions)}
