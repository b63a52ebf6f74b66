"""Which fault a cache-block operation takes, and what it reports."""

import struct

import pytest

from vmcore._fast.run import Core
from vmcore.isa.riscv import BY_MNEMONIC, Isa, install
from vmcore.isa.riscv.assemble import encode
from vmcore.isa.riscv.csrs import csr_number

RAM, ROOT, BLOCK = 0x8000_0000, 0x8000_1000, 0x2000
V, R, W, X, U, A, D = (1 << n for n in (0, 1, 2, 3, 4, 6, 7))
ACCESS, PAGE = 7, 15


@pytest.fixture
def run():
    install()
    core = Core(1, Isa.default().mask)
    core.add_ram(RAM, 0x4000)

    def one(mnemonic, rights, closed):
        """Run it in U-mode on a page with those rights, whose memory PMP perhaps closes. Return cause and tval."""
        core.memory.write(RAM, encode(BY_MNEMONIC[mnemonic], rs1=10).to_bytes(4, "little"))
        core.memory.write(ROOT, struct.pack("<2Q", RAM >> 2 | V | X | U | A, RAM >> 2 | V | rights | U | A | D))
        core.fence_i()
        core.flush_tlb(0)
        for name, value in (
            ("pmpcfg0", 0), ("pmpaddr0", RAM + BLOCK >> 2 | 0x1FF), ("pmpaddr1", 2**54 - 1),
            ("pmpcfg0", 0x1F18 if closed else 0x1F00), ("satp", 8 << 60 | ROOT >> 12), ("menvcfg", 0xF0),
            ("senvcfg", 0xF0), ("mcause", 0), ("mtval", 0),
        ):  # fmt: skip
            core.csr_write(0, csr_number(name), value)
        core.set_x(0, 10, (1 << 30) + BLOCK + 5)
        core.set_priv(0, 0)
        core.set_pc(0, 0)
        core.run(max_insns=1)
        return core.csr_read(0, csr_number("mcause")), core.csr_read(0, csr_number("mtval"))

    yield one
    core.close()


@pytest.mark.parametrize("mnemonic", ["cbo.clean", "cbo.flush", "cbo.inval"])
def test_management_needs_a_load_or_a_store(run, mnemonic):
    address = (1 << 30) + BLOCK + 5
    assert run(mnemonic, R, False) == (0, 0)
    assert run(mnemonic, R | W, False) == (0, 0)
    assert run(mnemonic, X, False) == (PAGE, address)
    # The page tables let a load through, PMP does not: an access fault, although a store would be a page fault.
    assert run(mnemonic, R, True) == (ACCESS, address)
    assert run(mnemonic, R | W, True) == (ACCESS, address)
    assert run(mnemonic, X, True) == (PAGE, address)


def test_zeroing_needs_a_store(run):
    address = (1 << 30) + BLOCK + 5
    assert run("cbo.zero", R | W, False) == (0, 0)
    assert run("cbo.zero", R, False) == (PAGE, address)
    assert run("cbo.zero", R | W, True) == (ACCESS, address)
