"""The compiled decoder, given the tables, accepts exactly what they accept."""

from random import Random

import pytest

from vmcore._fast.run import Core
from vmcore.isa.riscv import INSTRUCTIONS, Isa, find, install, parse_isa

CODE = 0x8000_0000
TRAP = 0x8000_8000
MCAUSE, MTVAL, MTVEC, MSTATUS, MENVCFG = 0x342, 0x343, 0x305, 0x300, 0x30A
ILLEGAL = 2
FS_INITIAL = 1 << 13


@pytest.fixture(params=["rv64gc", "rv64i", "everything"])
def hart(request):
    install()
    isa = Isa.default() if request.param == "everything" else parse_isa(request.param)
    core = Core(1, isa.mask)
    core.add_ram(CODE, 1 << 20)
    core.csr_write(0, MTVEC, TRAP)
    yield Hart(core, isa.mask)
    core.close()


class Hart:
    def __init__(self, core, mask):
        self.core = core
        self.mask = mask

    def says_illegal(self, word, size):
        """Run one instruction in M-mode and tell whether it was illegal."""
        core = self.core
        core.memory.write(CODE, word.to_bytes(size, "little") + bytes(8))
        core.fence_i()
        core.csr_write(0, MCAUSE, 0)
        core.csr_write(0, MSTATUS, FS_INITIAL)
        core.set_priv(0, 3)
        # Addresses that no memory answers: a load or store is an access fault, which is not what is asked here.
        for number in range(1, 32):
            core.set_x(0, number, 0x1000)
        core.set_pc(0, CODE)
        core.run(max_insns=1)
        illegal = core.csr_read(0, MCAUSE) == ILLEGAL
        if illegal:
            assert core.pc(0) == TRAP
            assert core.csr_read(0, MTVAL) == word
        return illegal


def test_installing_again_changes_nothing(hart):
    install()
    assert not hart.says_illegal(0x0001 if find(0x0001, hart.mask) else 0x13, 4)


def test_every_halfword_is_decoded_as_the_table_says(hart):
    wrong = []
    for word in range(1 << 16):
        if word & 3 != 3 and hart.says_illegal(word, 2) != (find(word, hart.mask) is None):
            wrong.append(hex(word))
    assert not wrong


def _may_be_illegal_by_state(row):
    # CSRs, wfi and returns depend on more than the encoding.
    return "privileged" in row.flags


def test_encodings_of_every_row_are_legal_while_their_extensions_are_on(hart):
    rng = Random(31)
    wrong = []
    for row in INSTRUCTIONS:
        if row.size == 2 or _may_be_illegal_by_state(row):
            continue
        for _ in range(40):
            free = row.format.operand_bits | row.ignored_bits
            word = row.match | rng.getrandbits(32) & free & ~row.mask
            found = find(word, hart.mask)
            if found is not None and _may_be_illegal_by_state(found):
                continue
            if hart.says_illegal(word, 4) != (found is None or found.reserved(word)):
                wrong.append((row.mnemonic, hex(word)))
    assert not wrong


def test_random_words_are_illegal_exactly_where_the_table_has_nothing(hart):
    rng = Random(32)
    wrong = []
    for _ in range(20_000):
        word = rng.getrandbits(32) | 3
        if word & 0x1F == 0x1F:
            continue
        found = find(word, hart.mask)
        if found is not None and _may_be_illegal_by_state(found):
            continue
        if hart.says_illegal(word, 4) != (found is None or found.reserved(word)):
            wrong.append((found and found.mnemonic, hex(word)))
    assert not wrong
