"""A debugger looks through the guest's page tables and leaves them as they are."""

import struct

import pytest

from vmcore._fast.face import MemoryFace
from vmcore._fast.run import Core
from vmcore.isa.riscv import Isa, install
from vmcore.isa.riscv.csrs import csr_number

RAM, ROOT = 0x8000_0000, 0x8000_1000
LEAF = RAM >> 2 | 0x1F  # V, R, W, X, U: a gigabyte, A and D clear
ADUE = 1 << 61


@pytest.fixture(params=[0, ADUE], ids=["svade", "svadu"])
def core(request):
    install()
    one = Core(1, Isa.default().mask)
    one.add_ram(RAM, 0x4000)
    one.memory.write(ROOT, struct.pack("<Q", LEAF))
    for name, value in (("pmpaddr0", 2**54 - 1), ("pmpcfg0", 0x1F), ("menvcfg", request.param),
                        ("satp", 8 << 60 | ROOT >> 12)):  # fmt: skip
        one.csr_write(0, csr_number(name), value)
    one.set_priv(0, 0)
    yield one
    one.close()


def test_accessed_and_dirty_stay_clear(core):
    for access in "rwx":
        assert core.translate(0, 0x2000, access) == RAM + 0x2000
    core.write_virt(0, 0x2FFE, b"1234")
    assert core.read_virt(0, 0x2FFE, 4) == b"1234"
    assert bytes(MemoryFace(core, 0)[0x2FFE:0x3002]) == b"1234"
    assert core.memory.read(ROOT, 8) == struct.pack("<Q", LEAF)


def test_the_hart_itself_still_sets_them_or_faults(core):
    core.memory.write(RAM + 0x2000, (0x6F).to_bytes(4, "little"))
    core.translate(0, 0x2000, "x")
    core.set_pc(0, 0x2000)
    core.run(max_insns=1)
    by_hardware = bool(core.csr_read(0, csr_number("menvcfg")) & ADUE)
    assert core.memory.read(ROOT, 8) == struct.pack("<Q", LEAF | 0x40 if by_hardware else LEAF)
    assert core.csr_read(0, csr_number("mcause")) == (0 if by_hardware else 12)
