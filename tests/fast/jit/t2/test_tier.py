"""When regions are made, what takes their place again, and what they are shared with."""

from __future__ import annotations

import gc
import os
import struct
from threading import Timer

import pytest
from support.assembler import Assembler

from vmcore._fast.jit.l3 import Store
from vmcore._fast.jitface import blocks, compile_at, stress
from vmcore._fast.memory.alloc import live
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import Isa, install
from vmcore.isa.riscv.csrs import csr_number

RAM = 0x8000_0000
A0, A1, A2, A3, A4, A5 = range(10, 16)
#: More than it takes until a region is made, however busy the host is.
PATIENCE = 400
PIECE = 1_000_000


#: Where the loops begin: behind what makes one address.
LOOP = RAM + 4 * 8


def start(address: int) -> Assembler:
    """Code that puts an address into a2 and goes to LOOP."""
    a = Assembler(RAM)
    a.value(A2, address)
    while len(a.code()) < LOOP - RAM:
        a.emit("addi", rd=0, rs1=0, imm=0)
    a.label("loop")
    return a


def counting(step: int = 1) -> bytes:
    """A loop that adds up for ever, a word in memory among it."""
    a = start(RAM + 0x8000)
    a.emit("addi", rd=A0, rs1=A0, imm=step)
    a.emit("ld", rd=A3, rs1=A2, imm=0)
    a.emit("add", rd=A3, rs1=A3, rs2=A0)
    a.emit("sd", rs1=A2, rs2=A3, imm=0)
    a.emit("jal", to="loop", rd=0)
    return a.code()


def table(away: int = 0) -> bytes:
    """A loop that is left at once, through a register, and begun again, so many instructions later."""
    a = start(RAM + 0x1000)
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("andi", rd=A1, rs1=A0, imm=7)
    a.emit("beq", to="loop", rs1=A1, rs2=0)
    a.emit("jalr", rd=0, rs1=A2, imm=0)
    b = Assembler(RAM + 0x1000)
    for _ in range(away):
        b.emit("addi", rd=A1, rs1=A1, imm=1)
    b.emit("addi", rd=A0, rs1=A0, imm=1)
    b.value(A3, LOOP)
    b.emit("jalr", rd=0, rs1=A3, imm=0)
    return a.code().ljust(0x1000, b"\0") + b.code()


def machine(code: bytes, tier: str = "auto", store: Store | None = None, harts: int = 1) -> Core:
    install()
    core = Core(harts, Isa.default().mask, tier=tier, store=store)
    core.add_ram(RAM, 1 << 20)
    core.memory.write(RAM, code)
    for hart in range(harts):
        core.set_pc(hart, RAM)
    return core


def as_program(core: Core) -> Core:
    """Let hart 0 execute in user mode, which may do as it likes with memory."""
    for name, value in (("pmpaddr0", 2**54 - 1), ("pmpcfg0", 0x1F)):
        core.csr_write(0, csr_number(name), value)
    core.set_priv(0, 0)
    return core


def run_until(core: Core, key: str) -> None:
    """Run until a counter is no longer 0."""
    for _ in range(PATIENCE):
        assert core.run(max_insns=PIECE) == EXITS["budget"]
        if core.stats()[key]:
            return
    raise AssertionError(core.stats())


def test_a_hot_loop_becomes_a_region() -> None:
    core = machine(counting())
    run_until(core, "t2_entries")
    regions = [one for one in blocks(core, RAM) if one["why"] == "region"]
    assert [one["start"] for one in regions] == [LOOP]
    before, insns = core.x(0, A0), core.icount()
    core.run(max_insns=1_000_003)
    # Where it stopped, and how far it had come.
    assert core.icount() == insns + 1_000_003
    assert abs(core.x(0, A0) - before - 200_000) <= 1
    stats = core.stats()
    assert stats["t2_compiled"] >= 5
    assert stats["t2_code_bytes"] == len(regions[0]["code"])
    core.close()


def as_a_program() -> bytes:
    """The counting loop in user mode."""
    a = Assembler(RAM)
    a.emit("addi", rd=A1, rs1=0, imm=-1)
    a.emit("csrrw", rd=0, rs1=A1, imm=csr_number("pmpaddr0"))
    a.value(A1, 0x1F)
    a.emit("csrrw", rd=0, rs1=A1, imm=csr_number("pmpcfg0"))
    a.value(A1, 0x1800)
    a.emit("csrrc", rd=0, rs1=A1, imm=csr_number("mstatus"))
    a.value(A1, RAM + 0x1000)
    a.emit("csrrw", rd=0, rs1=A1, imm=csr_number("mepc"))
    a.emit("mret")
    loop = Assembler(RAM + 0x1000)
    loop.label("loop")
    loop.emit("addi", rd=A0, rs1=A0, imm=1)
    loop.emit("xor", rd=A3, rs1=A3, rs2=A0)
    loop.emit("jal", to="loop", rd=0)
    return a.code().ljust(0x1000, b"\0") + loop.code()


def test_a_program_is_sooner_found_worth_it_than_a_kernel() -> None:
    seen = []
    for code in (counting(), as_a_program()):
        core = machine(code)
        while not core.stats()["t2_watched"]:
            core.run(max_insns=100_000)
        seen.append(core.stats()["t2_samples"])
        core.close()
    assert seen[1] <= seen[0] // 2


def test_a_region_that_is_left_all_the_time_is_given_up() -> None:
    core = as_program(machine(table()))
    run_until(core, "t2_given_up")
    assert not [one for one in blocks(core, RAM) if one["why"] == "region"]
    entries = core.stats()["t2_entries"]
    core.run(max_insns=20 * PIECE)
    # It is not tried again.
    assert core.stats()["t2_entries"] == entries
    core.close()


def test_a_kernel_has_no_region_where_it_seldom_is() -> None:
    core = machine(table(away=200))
    core.run(max_insns=PATIENCE * PIECE)
    stats = core.stats()
    assert stats["t2_refused"] > 0
    assert stats["t2_regions"] == 0
    core.close()


def test_a_program_has() -> None:
    core = as_program(machine(table(away=200)))
    run_until(core, "t2_regions")
    core.close()


def two_ways() -> bytes:
    """A loop that goes one way as long as a word in memory is 0, else another."""
    a = start(RAM + 0x8000)
    a.emit("ld", rd=A3, rs1=A2, imm=0)
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("bne", to="other", rs1=A3, rs2=0)
    a.emit("jal", to="loop", rd=0)
    a.label("other")
    a.emit("addi", rd=A1, rs1=A1, imm=1)
    a.emit("jal", to="loop", rd=0)
    return a.code()


def test_a_region_is_made_again_with_what_became_warm() -> None:
    core = machine(two_ways())
    run_until(core, "t2_entries")
    core.memory.write(RAM + 0x8000, b"\1")
    run_until(core, "t2_given_up")
    for _ in range(PATIENCE):
        core.run(max_insns=PIECE)
        if [one for one in blocks(core, RAM) if one["why"] == "region"]:
            break
    entries, before = core.stats()["t2_entries"], core.x(0, A1)
    core.run(max_insns=40 * PIECE)
    assert abs(core.x(0, A1) - before - 8 * PIECE) <= 1
    stats = core.stats()
    assert (stats["t2_given_up"], [one["start"] for one in blocks(core, RAM) if one["why"] == "region"]) == (1, [LOOP])
    # Both ways are in it: it is left where its budget ends, and nowhere else.
    assert stats["t2_entries"] - entries < 1000
    core.close()


def list_of(pages: int) -> bytes:
    """A loop along a list that has a node in each of some pages, round and round."""
    a = start(RAM + 0x10000)
    a.emit("ld", rd=A2, rs1=A2, imm=0)
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("bne", to="loop", rs1=A2, rs2=0)
    nodes = b"".join(struct.pack("<Q", RAM + 0x10000 + (n + 1) % pages * 0x1000).ljust(0x1000, b"\0")
                     for n in range(pages))  # fmt: skip
    return a.code().ljust(0x10000, b"\0") + nodes


def paged(code: bytes) -> Core:
    """A machine whose page n of memory is page n ^ 1 of what it sees: no two neighbours have the same addend."""
    core = machine(code)
    root, middle, last = RAM + 0x40000, RAM + 0x41000, RAM + 0x42000
    for table, n, entry in ((root, 2, middle >> 2 | 1), (middle, 0, last >> 2 | 1)):
        core.memory.write(table + 8 * n, struct.pack("<Q", entry))
    for n in range(256):
        core.memory.write(last + 8 * n, struct.pack("<Q", (RAM + ((n ^ (n > 15)) << 12)) >> 2 | 0xCF))
    nodes = code[0x10000:]
    for at in range(0, len(nodes), 0x1000):
        core.memory.write(RAM + ((0x10000 + at) ^ 0x1000), nodes[at : at + 0x1000])
    for name, value in (("pmpaddr0", 2**54 - 1), ("pmpcfg0", 0x1F), ("satp", 8 << 60 | root >> 12)):
        core.csr_write(0, csr_number(name), value)
    core.set_priv(0, 1)
    return core


def settled(core: Core, given_up: int, turn: int = 3) -> None:
    """Run a loop until its regions were given up so often, and then check that the next one stays."""
    for _ in range(PATIENCE):
        core.run(max_insns=PIECE)
        regions = [one["start"] for one in blocks(core, RAM) if one["why"] == "region"]
        if core.stats()["t2_given_up"] == given_up and regions:
            break
    assert regions == [LOOP]
    before, stats = core.x(0, A0), core.stats()
    core.run(max_insns=60 * PIECE)
    assert abs(core.x(0, A0) - before - 60 * PIECE // turn) <= 1
    after = core.stats()
    assert (after["t2_given_up"], after["t2_regions"]) == (given_up, stats["t2_regions"])
    assert [one["start"] for one in blocks(core, RAM) if one["why"] == "region"] == [LOOP]
    core.close()


def test_a_chain_whose_guesses_are_wrong_is_made_without() -> None:
    # First the page is another one each time, then what is added is.
    settled(paged(list_of(2)), 2)


def test_a_chain_whose_pages_are_wrong_is_made_with_their_addend() -> None:
    settled(machine(list_of(2)), 1)


def frame(address: int) -> bytes:
    """A loop that writes a frame of 32 bytes and reads it again."""
    a = start(address)
    for n in range(4):
        a.emit("sd", rs1=A2, rs2=A0, imm=8 * n)
    for n in range(4):
        a.emit("ld", rd=A3, rs1=A2, imm=8 * n)
    a.emit("addi", rd=A0, rs1=A3, imm=1)
    a.emit("jal", to="loop", rd=0)
    return a.code()


@pytest.mark.parametrize(("address", "given_up"), [(0x10FE0, 0), (0x10FF0, 1)])
def test_a_frame_that_lies_in_two_pages_is_looked_up_in_parts(address: int, given_up: int) -> None:
    core = machine(frame(RAM + address))
    settled(core, given_up, turn=10)


def test_a_chain_whose_guesses_are_right_stays() -> None:
    settled(paged(list_of(1)), 0)


def counter_beside() -> bytes:
    """A loop that counts in two places in turn, and reads something else between reading and writing."""
    a = start(RAM + 0x10000)
    a.emit("xori", rd=A4, rs1=A4, imm=8)
    a.emit("add", rd=A5, rs1=A2, rs2=A4)
    a.emit("ld", rd=A3, rs1=A5, imm=0)
    a.emit("ld", rd=A1, rs1=A1, imm=0)
    a.emit("addi", rd=A3, rs1=A3, imm=1)
    a.emit("sd", rs1=A5, rs2=A3, imm=0)
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("jal", to="loop", rd=0)
    return a.code().ljust(0x10000, b"\0") + struct.pack("<Q", 0).ljust(0x1000, b"\0")


@pytest.mark.parametrize("faults", [False, True])
def test_a_page_is_dirty_once_it_is_written_and_not_before(faults: bool) -> None:
    core = paged(counter_beside())
    # The hart sets D by itself (Svadu).
    core.csr_write(0, csr_number("menvcfg"), 1 << 61)
    page, clean, gone = RAM + 0x20000, RAM + 0x42000 + 8 * 0x20, RAM + 0x42000 + 8 * 0x22
    # What the second load reads is its own address, so that it goes round.
    address = RAM + 0x12000
    core.memory.write(address ^ 0x1000, struct.pack("<Q", address))
    core.set_x(0, A1, address)
    entry = struct.unpack("<Q", core.memory.read(clean, 8))[0]
    core.memory.write(clean, struct.pack("<Q", entry & ~0x80))
    core.memory.write(gone, struct.pack("<Q", 0))
    run_until(core, "t2_entries")
    core.run(max_insns=PIECE)
    assert [one["start"] for one in blocks(core, RAM) if one["why"] == "region"] == [LOOP]
    core.set_x(0, A2, page)
    core.set_x(0, A1, RAM + 0x22000 if faults else address)
    core.set_pc(0, LOOP)
    entries = core.stats()["t2_entries"]
    core.run(max_insns=1000)
    assert core.stats()["t2_entries"] > entries
    dirty = struct.unpack("<Q", core.memory.read(clean, 8))[0] & 0x80
    assert bool(dirty) is not faults
    core.close()


def far_and_wide() -> bytes:
    """A loop that counts in one page after the other of 16 MiB, in an order that comes back to none soon."""
    a = start(RAM + 0x20_0000)
    a.emit("addi", rd=A4, rs1=A4, imm=577)
    a.emit("slli", rd=A5, rs1=A4, imm=52)
    a.emit("srli", rd=A5, rs1=A5, imm=40)
    a.emit("add", rd=A5, rs1=A5, rs2=A2)
    a.emit("ld", rd=A3, rs1=A5, imm=0)
    a.emit("addi", rd=A3, rs1=A3, imm=1)
    a.emit("sd", rs1=A5, rs2=A3, imm=0)
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("jal", to="loop", rd=0)
    return a.code()


def test_what_is_read_before_it_is_written_is_looked_up_in_no_tlb_too() -> None:
    core = paged(far_and_wide())
    # Eight tables of 512 pages, all of them the same one.
    middle, tables, page = RAM + 0x41000, RAM + 0x50000, RAM + 0x30000
    for n in range(8):
        core.memory.write(middle + 8 * (n + 1), struct.pack("<Q", tables + 0x1000 * n >> 2 | 1))
    core.memory.write(tables, struct.pack("<Q", page >> 2 | 0xCF) * 4096)
    run_until(core, "t2_entries")
    core.run(max_insns=PIECE)
    before = core.stats()
    core.run(max_insns=PIECE)
    after = core.stats()
    # The second TLB has half as many entries: each page has to be walked to, though the region may not set its D.
    assert after["page_walks"] - before["page_walks"] >= PIECE // 9 - 1
    assert after["t2_entries"] - before["t2_entries"] < 100
    assert struct.unpack("<Q", core.memory.read(page, 8))[0] == core.x(0, A0)
    core.close()


def rotated() -> bytes:
    """A loop that is entered at its top once, then in its middle: 64 times for 50 turns, then for ever.

    Every 1024th turn no region goes on.
    """
    a = start(RAM + 0x8000)
    a.emit("addi", rd=A5, rs1=0, imm=64)
    a.emit("addi", rd=A4, rs1=0, imm=50)
    a.emit("jal", to="top", rd=0)
    a.label("outer")
    a.emit("csrrs", rd=A3, rs1=0, imm=csr_number("mscratch"))
    a.emit("addi", rd=A5, rs1=A5, imm=-1)
    a.emit("addi", rd=A4, rs1=0, imm=50)
    a.emit("bne", to="header", rs1=A5, rs2=0)
    a.emit("sub", rd=A4, rs1=0, rs2=A4)
    a.emit("jal", to="header", rd=0)
    a.label("top")
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("ld", rd=A3, rs1=A2, imm=0)
    a.label("header")
    a.emit("addi", rd=A4, rs1=A4, imm=-1)
    a.emit("andi", rd=A1, rs1=A4, imm=1023)
    a.emit("bne", to="on", rs1=A1, rs2=0)
    a.emit("csrrs", rd=A3, rs1=0, imm=csr_number("mscratch"))
    a.label("on")
    a.emit("bne", to="top", rs1=A4, rs2=0)
    a.emit("jal", to="outer", rd=0)
    return a.code()


def test_block_code_ends_where_a_region_begins() -> None:
    core = machine(rotated())
    # The top is warm before the middle is, so its block goes on behind that, which is never come to in it.
    run_until(core, "t2_entries")
    assert [one["start"] for one in blocks(core, RAM) if one["why"] == "region"] == [LOOP + 44]
    before = core.stats()["t2_insns"]
    core.run(max_insns=20 * PIECE)
    assert core.stats()["t2_insns"] - before > 19 * PIECE
    core.close()


def two_loops() -> bytes:
    """Two loops by turns, nineteen of twenty instructions in the first, in a loop that cannot be a region."""
    a = start(RAM + 0x8000)
    for label, turns in (("long", 1900), ("short", 100)):
        a.emit("addi", rd=A1, rs1=0, imm=turns)
        a.emit("slli", rd=A1, rs1=A1, imm=6)
        a.label(label)
        a.emit("addi", rd=A1, rs1=A1, imm=-1)
        a.emit("bne", to=label, rs1=A1, rs2=0)
    a.emit("csrrs", rd=A3, rs1=0, imm=csr_number("mscratch"))
    a.emit("jal", to="loop", rd=0)
    return a.code()


def test_what_regions_leave_over_is_compiled_as_well() -> None:
    core = machine(two_loops())
    for _ in range(PATIENCE):
        core.run(max_insns=PIECE)
        starts = sorted(one["start"] for one in blocks(core, RAM) if one["why"] == "region")
        if len(starts) == 2:
            break
    assert starts == [LOOP + 8, LOOP + 24]
    before = core.stats()
    core.run(max_insns=100 * PIECE)
    after = core.stats()
    assert after["t2_insns"] - before["t2_insns"] > 98 * PIECE
    # There is nothing else to be had, which is not asked again and again.
    assert after["t2_watched"] - before["t2_watched"] <= 8
    core.close()


def test_code_that_changes_takes_its_region_along() -> None:
    core = machine(counting())
    run_until(core, "t2_entries")
    core.memory.write(RAM, counting(step=3))
    core.fence_i()
    assert blocks(core, RAM) == []
    before = core.x(0, A0)
    core.run(max_insns=500_000)
    assert abs(core.x(0, A0) - before - 300_000) <= 3
    core.close()


def test_a_hook_in_a_region_is_met_each_time() -> None:
    hits: list[int] = []

    def note(hart: int) -> None:
        hits.append(hart)

    core = machine(counting())
    run_until(core, "t2_entries")
    core.hook_add(LOOP + 4, note)
    core.run(max_insns=1000)
    assert len(hits) == 200
    core.hook_remove(LOOP + 4, note)
    core.run(max_insns=1000)
    assert len(hits) == 200
    core.close()


def test_another_machine_takes_regions_from_the_store() -> None:
    store = Store()
    core = machine(counting(), store=store)
    run_until(core, "t2_entries")
    core.close()
    other = machine(counting(), store=store)
    other.run(max_insns=1000)
    stats = other.stats()
    assert (stats["t2_entries"] > 0, stats["t2_regions"], stats["t1_blocks"]) == (True, 0, 0)
    other.close()
    # Without the tier there are none, though the code is the same.
    plain = machine(counting(), tier="t1", store=store)
    plain.run(max_insns=1000)
    assert plain.stats()["l3_hits"] == 0
    plain.close()


def test_regions_outlive_a_move() -> None:
    core = machine(counting(), tier="t2")
    core.run(max_insns=3 * PIECE)
    assert core.stats()["t2_entries"]
    # All code is thrown away; then it is made anew, and moved.
    stress(core, limit=64 << 10)
    entries = core.stats()["t2_entries"]
    core.run(max_insns=3 * PIECE)
    assert core.stats()["t2_entries"] > entries
    core.close()


def filled(number: int) -> Core:
    """A machine with little room for code, of which so many small functions have a part."""
    core = machine(table())
    stress(core, limit=16 << 10)
    code = Assembler(RAM + 0x8000)
    for _ in range(number):
        code.emit("addi", rd=A0, rs1=A0, imm=1)
        code.emit("jalr", rd=0, rs1=1, imm=0)
    core.memory.write(RAM + 0x8000, code.code())
    for n in range(number):
        assert compile_at(core, RAM + 0x8000 + 8 * n)
    return core


def test_a_region_makes_room_for_itself() -> None:
    core = filled(0)
    evicted = core.stats()["t1_evictions"]
    core.close()
    # What is left is too little for the table's blocks at first, then for its region, then it does.
    made = 0
    for number in range(140, 110, -1):
        core = filled(number)
        core.run(max_insns=60 * PIECE)
        stats = core.stats()
        core.close()
        # The page is known to have nothing more that is warm: it is given up once.
        assert stats["t2_given_up"] <= 1, number
        made += stats["t1_evictions"] > evicted
    assert 5 < made < 30


def test_a_child_has_threads_of_its_own() -> None:
    core = machine(counting())
    run_until(core, "t2_entries")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            mine = machine(counting())
            run_until(mine, "t2_entries")
            mine.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run_until(core, "t2_entries")
    core.close()


def test_machines_are_closed_while_they_wait() -> None:
    for pieces in range(1, 12):
        core = machine(counting())
        core.run(max_insns=pieces * PIECE // 2)
        core.close()


def test_a_hart_that_is_watched_in_one_page_and_seen_in_another() -> None:
    # Loops of several pages by turns, each for half as long as a hart runs on once it was seen.
    gc.collect()
    before = live()
    a = Assembler(RAM)
    for page in range(4):
        while len(a.items) % 1024:
            a.emit("addi", rd=0, rs1=0, imm=0)
        a.value(A1, 40_000)
        a.label(f"loop {page}")
        a.emit("addi", rd=A0, rs1=A0, imm=1)
        a.emit("addi", rd=A1, rs1=A1, imm=-1)
        a.emit("bne", to=f"loop {page}", rs1=A1, rs2=0)
    a.value(A1, RAM)
    a.emit("jalr", rd=0, rs1=A1, imm=0)
    core = machine(a.code())
    # It is called all the time, and does not stop then.
    stress(core, poll_every=1)
    for _ in range(PATIENCE // 4):
        core.run(max_insns=PIECE)
    assert core.stats()["t2_samples"] > 100
    core.close()
    del core
    gc.collect()
    assert live() == before


@pytest.mark.parametrize("tier", ["auto", "t2"])
def test_harts_in_turns(tier: str) -> None:
    core = machine(counting(), tier, harts=3)
    run_until(core, "t2_entries")
    core.run(max_insns=6_000_000)
    counts = [core.x(hart, A0) for hart in range(3)]
    assert max(counts) - min(counts) <= 20_000 // 5 + 1
    core.close()


def test_how_much_regions_execute_is_counted() -> None:
    core = machine(counting(), tier="t2")
    core.run(max_insns=PIECE)
    before = core.stats()
    core.run(max_insns=5 * PIECE)
    after = core.stats()
    # The last hundred of each turn are the interpreter's.
    assert 0.99 * 5 * PIECE < after["t2_insns"] - before["t2_insns"] <= 5 * PIECE
    core.close()


def test_a_hart_that_was_seen_goes_on_in_compiled_code() -> None:
    a = start(0)
    for _ in range(100):
        # (Slow, so that the region is there in time.)
        a.emit("divu", rd=A0, rs1=A2, rs2=A0)
    a.emit("jal", to="loop", rd=0)
    core = machine(a.code())
    run_until(core, "t2_regions")
    before = core.stats()
    core.run(max_insns=3_900_000)
    after = core.stats()
    assert after["t2_samples"] - before["t2_samples"] >= 7
    followed = after["t2_watched"] - before["t2_watched"]
    # What else is interpreted is a way to the loop's begin, where a hart was followed there too, and the last hundred
    # of the whole run, not of each sighting.
    assert after["t0_insns"] - before["t0_insns"] - 512 * followed < 500
    core.close()


def test_a_hart_is_called_when_its_budget_is_nearly_used_up() -> None:
    # One way of the loop counts before it meets the other, which is no place to leave it.
    a = Assembler(RAM)
    a.label("loop")
    a.emit("addi", rd=A0, rs1=A0, imm=1)
    a.emit("andi", rd=A1, rs1=A0, imm=3)
    a.emit("beq", to="over", rs1=A1, rs2=0)
    for _ in range(6):
        a.emit("xor", rd=A2, rs1=A2, rs2=A0)
    a.label("over")
    a.emit("add", rd=A3, rs1=A3, rs2=A2)
    a.emit("jal", to="loop", rd=0)
    core = machine(a.code(), tier="t2")
    core.run(max_insns=20_000)
    stress(core, region_every=1)
    core.run(max_insns=5000)
    assert core.stats()["t2_regions"]
    stress(core, poll_every=1)
    for insns in range(97, 130):
        for _ in range(40):
            before = core.icount()
            stop = Timer(10, core.request_stop)
            stop.start()
            core.run(max_insns=insns)
            stop.cancel()
            assert core.icount() - before == insns
    core.close()
