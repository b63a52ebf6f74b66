"""Words drawn by lot: whatever they say, the host is unharmed, and what they do not say is an illegal instruction."""

import pytest
from support import operands
from support.amount import rng, scaled
from support.chaos import CLINT, RAM, RAM_SIZE
from support.lockstep import HANDLER, PROGRAM, RAM_END, VmcoreHart

from vmcore._fast.dev.clint import Clint
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import INSTRUCTIONS, Isa, find, install
from vmcore.isa.riscv.csrs import csr_number

MEPC, MCAUSE, MTVAL = (csr_number(name) for name in ("mepc", "mcause", "mtval"))
ILLEGAL = 2


def a_word(source):
    """A random word; every other one is one or two bits away from an instruction."""
    if source.randrange(2):
        return source.getrandbits(32)
    row = source.choice(INSTRUCTIONS)
    word = row.match | source.getrandbits(32) & ~row.mask & (1 << 8 * row.size) - 1
    return word ^ 1 << source.randrange(32) ^ source.choice((0, 1 << source.randrange(32)))


@pytest.mark.parametrize("priv", [0, 1, 3])
def test_an_unknown_word_is_illegal_and_changes_nothing(hart, priv):
    source, core, unknown = rng(f"words {priv}"), hart.core, 0
    for _ in range(scaled(6000)):
        word = a_word(source)
        if word & 3 != 3:
            word &= 0xFFFF
        row = find(word)
        if row is not None and not row.reserved(word):
            continue
        unknown += 1
        registers = source.choices(operands.integer_pool(), k=32)
        for number in range(1, 32):
            core.set_x(0, number, registers[number])
        core.memory.write(PROGRAM, word.to_bytes(4, "little"))
        core.fence_i()
        core.set_priv(0, priv)
        core.set_pc(0, PROGRAM)
        assert core.run(max_insns=1) == EXITS["budget"]
        size = 2 if word & 3 != 3 else 4
        assert (core.csr_read(0, MCAUSE), core.csr_read(0, MTVAL)) == (ILLEGAL, word), hex(word)
        assert (core.csr_read(0, MEPC), core.pc(0), core.priv(0)) == (PROGRAM, HANDLER, 3)
        assert [core.x(0, number) for number in range(1, 32)] == registers[1:], (hex(word), size)
    assert unknown > scaled(1000)


def test_the_word_of_zeros_and_the_word_of_ones_are_illegal():
    one = VmcoreHart()
    for word, size in ((0, 2), (0xFFFF_FFFF, 4), (0xFFFF_0000, 2)):
        one.core.memory.write(PROGRAM, word.to_bytes(4, "little"))
        one.core.fence_i()
        one.core.set_priv(0, 3)
        one.core.set_pc(0, PROGRAM)
        one.core.run(max_insns=1)
        assert one.core.csr_read(0, MCAUSE) == ILLEGAL
        assert one.core.csr_read(0, MTVAL) == word & (1 << 8 * size) - 1
    one.close()


def a_reckless_machine(source, harts):
    """RAM full of random words, registers that point into it, and nothing that protects anything."""
    core = Core(harts, Isa.default().mask, seed=source.getrandbits(64))
    core.add_ram(RAM, RAM_SIZE)
    core.attach(CLINT, Clint(core.clock, [core.pins(i) for i in range(harts)]))
    # Most words are instructions: otherwise nothing but traps would happen.
    pool = []
    while len(pool) < 3000:
        word = a_word(source)
        row = find(word & 0xFFFF) if word & 3 != 3 else find(word)
        if row is not None or source.randrange(10) == 0:
            pool.append(word.to_bytes(2 if word & 3 != 3 else 4, "little") if word & 3 == 3 else
                        (word & 0xFFFF).to_bytes(2, "little"))  # fmt: skip
    core.memory.write(RAM, b"".join(source.choices(pool, k=60_000)))
    for hart in range(harts):
        restart(core, source, hart)
    return core


def restart(core, source, hart):
    for number in range(1, 32):
        inside = RAM + source.randrange(RAM_SIZE)
        core.set_x(hart, number, source.choice((inside, inside, CLINT + source.randrange(0xC000),
                                                source.choice(operands.INTEGERS))))
    for name in ("mtvec", "stvec", "mepc", "sepc"):
        core.csr_write(hart, csr_number(name), RAM + 4 * source.randrange(40_000))
    for name in ("mstatus", "medeleg", "mideleg", "mie", "menvcfg", "mcounteren"):
        core.csr_write(hart, csr_number(name), source.getrandbits(64))
    for name in ("pmpaddr0", "pmpcfg0"):
        core.csr_write(hart, csr_number(name), source.choice((2**54 - 1, 0x1F)))
    mode = source.choice((0, 0, 8, 9, 10))
    core.csr_write(hart, csr_number("satp"), mode << 60 | RAM + 4096 * source.randrange(50) >> 12)
    core.set_priv(hart, source.choice((0, 1, 3)))
    core.hart_start(hart, RAM + 2 * source.randrange(80_000), 0, 0, core.priv(hart)) if core.hart_waiting(hart) else \
        core.set_pc(hart, RAM + 2 * source.randrange(80_000))


@pytest.mark.parametrize("harts", [1, 3])
def test_memory_full_of_words_never_harms_the_host(harts):
    install()
    source = rng(f"memory {harts}")
    for _ in range(scaled(4)):
        core = a_reckless_machine(source, harts)
        before = core.icount()
        for _ in range(60):
            reason = core.run(max_insns=3000)
            assert reason in (EXITS["budget"], EXITS["idle"], EXITS["deadline"])
            if reason == EXITS["budget"]:
                assert core.icount() - before == 3000
            for hart in range(harts):
                assert core.pc(hart) & 1 == 0
                assert core.priv(hart) in (0, 1, 3)
                assert core.x(hart, 0) == 0
            # Onward from another place, with the memory as it is by now.
            restart(core, source, source.randrange(harts))
            before = core.icount()
        core.close()


def test_the_end_of_memory_is_the_end(hart):
    # The last halfword of RAM as the first half of a word that is not there.
    core = hart.core
    for half in (0xFFFF, 0x0013, 0x0073):
        core.memory.write(RAM_END - 2, half.to_bytes(2, "little"))
        core.fence_i()
        core.set_priv(0, 3)
        core.set_pc(0, RAM_END - 2)
        core.run(max_insns=1)
        assert (core.csr_read(0, MCAUSE), core.csr_read(0, MTVAL)) == (1, RAM_END)
