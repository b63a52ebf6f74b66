"""Guests that change everything under compiled code, all the time: page tables, address spaces, the code itself."""

from __future__ import annotations

import gc
import struct
from pathlib import Path

import pytest
from support.assembler import Assembler
from support.storms import (
    A0,
    A1,
    A2,
    A3,
    A4,
    A5,
    CODE,
    GLOBAL,
    OTHER_ROOT,
    PAGES,
    RAM,
    S1,
    S2,
    S3,
    SATP,
    SCAUSE,
    SPLIT,
    SUPERPAGE,
    TABLE,
    WINDOW,
    WINDOW_LAST,
    WINDOW_MIDDLE,
    Storm,
    adds,
    count_down,
    data,
    end_round,
    function,
    holds,
    leaf,
    satp,
)  # fmt: skip
from support.tiers import in_lockstep

from vmcore import Disk, Machine
from vmcore._fast import jitface
from vmcore._fast.dev.clint import Clint
from vmcore._fast.jit import codebuf
from vmcore._fast.memory.alloc import live
from vmcore._fast.run import EXITS, Core
from vmcore.errors import VmError
from vmcore.isa.riscv import BY_MNEMONIC, Isa, install
from vmcore.isa.riscv.assemble import encode

ROUNDS = 200
#: How a change of the page tables is told: for an address, an address space, both, or everything.
FENCES = ("address", "space", "both", "all")


def finish(code: Assembler, **more: int) -> Storm:
    """Run code on T1 until its hart rests; nothing may have trapped."""
    storm = Storm(code, "t1", **more)
    assert storm.core.run(max_insns=30_000_000) == EXITS["idle"]
    assert all(not storm.core.csr_read(hart, SCAUSE) for hart in range(storm.core.nharts))
    return storm


def both(code: Assembler, insns: int = 30_000, **more: int) -> None:
    """Compare the tiers as long as the code is at work, without stress and with it."""
    def make(tier: str) -> Storm:
        return Storm(code, tier, **more)

    for stress in ({}, {"poll_every": 1, "evict": True, "flush_every": 2}, {"region_every": 1},
                   {"region_every": 1, "poll_every": 2, "evict": True, "flush_every": 2}):
        assert in_lockstep(make, insns, piece=997, **stress).stops > 25


def fence(code: Assembler, kind: str, address: int) -> None:
    """Tell of a change at an address that a register holds."""
    code.emit("sfence.vma", rs1=address if kind in ("address", "both") else 0,
              rs2=S3 if kind in ("space", "both") else 0)


def call(code: Assembler, register: int) -> None:
    code.emit("jalr", rd=1, rs1=register, imm=0)


def remaps(kind: str, times: int = 1, **rights: int) -> Assembler:
    """Code that shows each function and each data page in turn through the window, `times` in a round."""
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    code.emit("addi", rd=S3, rs1=0, imm=0)
    count_down(code, ROUNDS)
    code.value(A1, WINDOW)
    code.value(A2, WINDOW_LAST)
    code.value(A3, WINDOW + 4096)
    for n in list(range(PAGES)) * times:
        code.value(A4, leaf(function(n), **rights))
        code.value(A5, leaf(data(n), **rights))
        code.emit("sd", rs1=A2, rs2=A4, imm=0)
        code.emit("sd", rs1=A2, rs2=A5, imm=8)
        fence(code, kind, A1)
        if kind in ("address", "both"):
            fence(code, kind, A3)
        call(code, A1)
        code.emit("ld", rd=A4, rs1=A3, imm=0)
        code.emit("add", rd=A0, rs1=A0, rs2=A4)
    end_round(code)
    return code


@pytest.mark.parametrize("kind", FENCES)
def test_pages_that_change_under_running_code(kind: str) -> None:
    storm = finish(remaps(kind))
    assert storm.word(TABLE) == ROUNDS * sum(adds(n) + holds(n) for n in range(PAGES))
    storm.close()
    both(remaps(kind))


@pytest.mark.parametrize("kind", ["address", "all"])
def test_global_pages_that_change_under_running_code(kind: str) -> None:
    # Only a fence for no single address space tells of them.
    code = remaps(kind, rights=GLOBAL)
    storm = finish(code, rights=GLOBAL)
    assert storm.word(TABLE) == ROUNDS * sum(adds(n) + holds(n) for n in range(PAGES))
    storm.close()
    both(code, rights=GLOBAL)


def splits() -> Assembler:
    """Code that splits a superpage and tells it for an address somewhere inside, and puts it together again."""
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    count_down(code, ROUNDS)
    code.value(A1, SUPERPAGE)
    code.value(A2, WINDOW_MIDDLE)
    code.value(A3, SUPERPAGE + 0x1_2000)
    for entry in (SPLIT >> 2 | 1, leaf(RAM)):
        code.value(A4, entry)
        code.emit("sd", rs1=A2, rs2=A4, imm=8)
        code.value(A5, SUPERPAGE + 0x5000)
        # The superpage is flushed by any of its addresses; the many pages that it becomes again are not.
        code.emit("sfence.vma", rs1=0 if entry == leaf(RAM) else A5, rs2=0)
        # The page at +0x1_2000 is one of data, or memory as it is.
        code.emit("ld", rd=A4, rs1=A3, imm=0)
        code.emit("add", rd=A0, rs1=A0, rs2=A4)
        code.value(A5, function(2) - RAM if entry == leaf(RAM) else 0)
        code.emit("add", rd=A5, rs1=A5, rs2=A1)
        # Code of a page of the superpage, or of the one page of code behind the table.
        call(code, A5)
    end_round(code)
    return code


def test_superpages_that_are_split() -> None:
    storm = finish(splits())
    plain = storm.word(RAM + 0x1_2000)
    assert storm.word(TABLE) == ROUNDS * (holds(5) + adds(5) + plain + adds(2))
    storm.close()
    both(splits())


def spaces(count: int) -> Assembler:
    """Code that goes round many address spaces, of which every other one shows other pages, and flushes nothing."""
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    count_down(code, ROUNDS)
    code.value(A1, WINDOW)
    code.emit("addi", rd=S1, rs1=0, imm=0)
    code.label("space")
    code.emit("andi", rd=A2, rs1=S1, imm=1)
    code.value(A3, TABLE + 64)
    code.emit("sh3add", rd=A3, rs1=A2, rs2=A3)
    code.emit("ld", rd=A4, rs1=A3, imm=0)
    code.emit("slli", rd=A5, rs1=S1, imm=44)
    code.emit("or", rd=A4, rs1=A4, rs2=A5)
    code.emit("csrrw", rd=0, rs1=A4, imm=SATP)
    call(code, A1)
    code.value(A2, 4096)
    code.emit("add", rd=A2, rs1=A2, rs2=A1)
    code.emit("ld", rd=A4, rs1=A2, imm=0)
    code.emit("add", rd=A0, rs1=A0, rs2=A4)
    code.emit("addi", rd=S1, rs1=S1, imm=1)
    code.value(A5, count)
    code.emit("bne", "space", rs1=S1, rs2=A5)
    end_round(code)
    return code


class Spaces(Storm):
    """The two roots lie where the code looks for them."""

    def __init__(self, code: Assembler, tier: str) -> None:
        super().__init__(code, tier)
        self.put(TABLE + 64, {0: satp(), 1: satp(OTHER_ROOT)})


@pytest.mark.parametrize("count", [2, 40])
def test_address_spaces_that_take_turns(count: int) -> None:
    storm = Spaces(spaces(count), "t1")
    assert storm.core.run(max_insns=30_000_000) == EXITS["idle"]
    assert storm.word(TABLE) == ROUNDS * count // 2 * (adds(0) + holds(0) + adds(1) + holds(1))
    storm.close()
    for stress in ({}, {"poll_every": 1, "evict": True}):
        in_lockstep(lambda tier: Spaces(spaces(count), tier), 20_000, **stress)


def test_a_page_that_was_fetched_long_ago_is_flushed_by_its_address() -> None:
    # Another address space is flushed so often that the numbers of fetch contexts are dealt out anew; that must not
    # make anybody forget which pages of this one have been executed.
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    count_down(code, 3)
    code.value(A1, WINDOW)
    code.value(A2, WINDOW_LAST)
    for n in (0, 1):
        code.value(A4, leaf(function(n)))
        code.emit("sd", rs1=A2, rs2=A4, imm=0)
        code.emit("sfence.vma", rs1=A1, rs2=0)
        call(code, A1)
        # Into the other space and back, so that it is known.
        code.value(A5, 1)
        code.emit("slli", rd=A5, rs1=A5, imm=44)
        code.emit("csrrs", rd=A3, rs1=A5, imm=SATP)
        code.emit("csrrw", rd=0, rs1=A3, imm=SATP)
        code.emit("addi", rd=A5, rs1=0, imm=1)
        code.value(S1, 9000)
        code.label(f"flush {n}")
        code.emit("sfence.vma", rs1=0, rs2=A5)
        code.emit("addi", rd=S1, rs1=S1, imm=-1)
        code.emit("bne", f"flush {n}", rs1=S1, rs2=0)
        call(code, A1)
    end_round(code)
    storm = finish(code)
    assert storm.word(TABLE) == 3 * 2 * (adds(0) + adds(1))
    storm.close()


def rewrites(told: bool) -> Assembler:
    """Code that rewrites an instruction of its own page each time, and keeps a counter in that page too."""
    code = Assembler(CODE)
    code.emit("jal", "begin", rd=0)
    code.label("counter")
    for _ in range(2):
        code.emit("addi", rd=0, rs1=0, imm=0)
    code.label("victim")
    code.emit("addi", rd=A0, rs1=A0, imm=0)
    code.emit("jalr", rd=0, rs1=1, imm=0)
    code.label("begin")
    code.emit("addi", rd=A0, rs1=0, imm=0)
    code.emit("addi", rd=S1, rs1=0, imm=0)
    code.value(A1, CODE + 4)
    code.value(A2, encode(BY_MNEMONIC["addi"], rd=A0, rs1=A0, imm=0))
    code.emit("sd", rs1=A1, rs2=0, imm=0)
    count_down(code, 10 * ROUNDS)
    code.emit("addi", rd=S1, rs1=S1, imm=1)
    code.emit("andi", rd=S1, rs1=S1, imm=1023)
    code.emit("slli", rd=A3, rs1=S1, imm=20)
    code.emit("add", rd=A3, rs1=A3, rs2=A2)
    code.emit("sw", rs1=A1, rs2=A3, imm=8)
    code.emit("ld", rd=A4, rs1=A1, imm=0)
    code.emit("addi", rd=A4, rs1=A4, imm=1)
    code.emit("sd", rs1=A1, rs2=A4, imm=0)
    if told:
        code.emit("fence.i")
    code.emit("addi", rd=A5, rs1=A1, imm=8)
    call(code, A5)
    end_round(code)
    return code


def test_code_that_rewrites_itself_in_a_page_that_holds_data_too() -> None:
    storm = finish(rewrites(True))
    assert storm.word(TABLE) == sum(n & 1023 for n in range(1, 10 * ROUNDS + 1))
    assert storm.word(CODE + 4) == 10 * ROUNDS
    gc.collect()
    before = live()
    assert before.bytes < 40 << 20
    storm.close()
    both(rewrites(True))


def test_code_that_rewrites_itself_and_tells_nobody() -> None:
    storm = finish(rewrites(False))
    # The old instruction may be executed for ever; the data is what it is.
    assert storm.word(CODE + 4) == 10 * ROUNDS
    storm.close()
    both(rewrites(False))


def crossing() -> Assembler:
    """Code with which hart 0 rewrites a function that the others call; they must see what was told them, or more."""
    code = Assembler(CODE)
    code.value(A1, function(0))
    code.value(A2, TABLE + 128)
    code.value(A3, encode(BY_MNEMONIC["addi"], rd=A5, rs1=0, imm=0))
    code.value(S2, 1500)
    code.emit("bne", "reader", rs1=A0, rs2=0)
    code.emit("addi", rd=S1, rs1=0, imm=0)
    code.label("write")
    code.emit("addi", rd=S1, rs1=S1, imm=1)
    code.emit("slli", rd=A4, rs1=S1, imm=20)
    code.emit("add", rd=A4, rs1=A4, rs2=A3)
    code.emit("sw", rs1=A1, rs2=A4, imm=0)
    code.emit("fence", imm=0x33)
    code.emit("sd", rs1=A2, rs2=S1, imm=0)
    code.emit("fence.i")
    call(code, A1)
    code.emit("bne", "wrong", rs1=A5, rs2=S1)
    code.emit("pause")
    code.emit("bne", "write", rs1=S1, rs2=S2)
    code.emit("jal", "rest", rd=0)
    code.label("reader")
    code.emit("ld", rd=S1, rs1=A2, imm=0)
    code.emit("fence", imm=0x33)
    code.emit("fence.i")
    code.emit("addi", rd=A5, rs1=0, imm=2047)
    call(code, A1)
    code.emit("blt", "wrong", rs1=A5, rs2=S1)
    code.emit("addi", rd=S3, rs1=S3, imm=1)
    code.emit("pause")
    code.emit("bne", "reader", rs1=S1, rs2=S2)
    code.label("rest")
    code.emit("wfi")
    code.emit("jal", "rest", rd=0)
    code.label("wrong")
    code.emit("sd", rs1=A2, rs2=A2, imm=8)
    code.emit("jal", "rest", rd=0)
    return code


def test_four_harts_run_code_that_one_of_them_rewrites() -> None:
    storm = finish(crossing(), harts=4)
    assert storm.word(TABLE + 136) == 0
    assert all(storm.core.x(hart, S3) > 100 for hart in (1, 2, 3))
    storm.close()
    both(crossing(), harts=4)


@pytest.mark.parametrize("stride", [4096, 4096 + 2])
def test_sixteen_gibibytes_of_pages(stride: int) -> None:
    """One page of jumps to the next page, seen at every address of 16 GiB: what is remembered of them stays bounded."""
    storm = Storm(Assembler(CODE), "t1")
    core = storm.core
    jump = encode(BY_MNEMONIC["jal"], rd=0, imm=stride).to_bytes(4, "little")
    core.memory.write(function(0), jump * 1024 if stride == 4096 else (b"\x01\x00" + jump + b"\x01\x00") * 512)
    storm.put(SPLIT, {n: leaf(function(0)) for n in range(512)})
    middle, root = RAM + 0x20_0000, RAM + 0x20_1000
    storm.put(middle, {n: SPLIT >> 2 | 1 for n in range(512)})
    storm.put(root, {n: middle >> 2 | 1 for n in range(16)} | {256 + n: leaf(RAM) for n in range(2)})
    core.csr_write(0, SATP, satp(root))
    core.set_pc(0, 0 if stride == 4096 else 2)
    before = live().bytes
    # A page at a time; where the offset grows, 2 bytes a time and then back at the page's beginning.
    assert core.run(max_insns=(16 << 18) - 1) == EXITS["budget"]
    if stride == 4096:
        assert core.pc(0) == (16 << 30) - 4096
    assert live().bytes - before < 8 << 20
    assert core.stats()["t1_insns"] > 15 << 18
    storm.close()


def test_more_code_than_may_be_kept() -> None:
    """Every page of 48 MiB holds code of its own, executed once: decoded and compiled code stay within their limits."""
    install()
    size = 48 << 20
    core = Core(1, Isa.default().mask, tier="t1")
    core.add_ram(RAM, size)
    page = b"".join(encode(BY_MNEMONIC["addi"], rd=A0, rs1=A0, imm=1).to_bytes(4, "little") for _ in range(60))
    page += encode(BY_MNEMONIC["jal"], rd=0, imm=4096 - len(page)).to_bytes(4, "little")
    for at in range(RAM, RAM + size, 4096):
        core.memory.write(at, page)
    last = RAM + size - 4096
    back = encode(BY_MNEMONIC["jal"], rd=0, imm=0).to_bytes(4, "little")
    core.memory.write(last + len(page) - 4, back)
    jitface.stress(core, limit=1 << 20)
    core.set_pc(0, RAM)
    before = live().bytes
    pages = size >> 12
    assert core.run(max_insns=61 * pages + 1000) == EXITS["budget"]
    assert core.x(0, A0) == 60 * pages
    stats = core.stats()
    assert stats["t1_evictions"] > 3
    assert live().bytes - before < 200 << 20
    core.close()


def test_no_code_memory_is_left() -> None:
    """Where other machines hold all memory for code, the interpreter does the work, until there is some again."""
    held = []
    try:
        while True:
            held.append(codebuf.Segment())
    except VmError:
        assert len(held) > 100
    try:
        storm = finish(remaps("all"))
        assert storm.core.stats()["t1_insns"] == 0
        assert storm.word(TABLE) == ROUNDS * sum(adds(n) + holds(n) for n in range(PAGES))
        storm.close()
    finally:
        for segment in held:
            segment.close()
    storm = finish(remaps("all"))
    assert storm.core.stats()["t1_insns"] > 0
    storm.close()


def test_many_machines_have_code_at_once() -> None:
    storms = [Storm(remaps(FENCES[n % 4]), "t1") for n in range(40)]
    for _ in range(20):
        for storm in storms:
            storm.core.run(max_insns=5000)
    states = {storm.core.x(0, A0) for storm in storms[::4]}
    assert len(states) == 1 and states.pop() > 0
    for storm in storms:
        storm.close()


def test_thousands_of_machines_come_and_go() -> None:
    code = remaps("all")
    Storm(code, "t1").close()
    gc.collect()
    before, segments = live(), codebuf.stats().segments
    for _ in range(1500):
        storm = Storm(code, "t1")
        assert storm.core.run(max_insns=300) == EXITS["budget"]
        assert codebuf.stats().segments == segments + 1
        storm.close()
        del storm
    gc.collect()
    assert (live(), codebuf.stats().segments) == (before, segments)


class Hook:
    """A device that stops the machine from inside."""

    def __init__(self, core: Core) -> None:
        self.core, self.calls = core, 0

    def read(self, offset: int, size: int) -> int:
        self.calls += 1
        if self.calls % 3 == 0:
            self.core.request_stop()
        return self.calls

    def write(self, offset: int, size: int, value: int) -> None:
        self.core.request_stop()


def test_a_storm_of_exits() -> None:
    """A loop that leaves compiled code at every other instruction, while somebody stops it all the time."""
    install()
    code = Assembler(RAM)
    code.value(A1, 0x300_0000)
    code.value(A2, 0x200_BFF8)
    code.label("loop")
    code.emit("ld", rd=A3, rs1=A1, imm=8)
    code.emit("add", rd=A0, rs1=A0, rs2=A3)
    code.emit("ld", rd=A4, rs1=A2, imm=0)
    code.emit("sw", rs1=A1, rs2=A4, imm=0)
    code.emit("csrrs", rd=A5, rs1=0, imm=0xB02)
    code.emit("lw", rd=A5, rs1=0, imm=0)
    code.emit("jal", "loop", rd=0)
    core = Core(1, Isa.default().mask, tier="t1")
    core.add_ram(RAM, 1 << 20)
    core.attach(0x200_0000, Clint(core.clock, [core.pins(0)]))
    hook = Hook(core)
    core.attach_python(0x300_0000, 64, hook)
    core.memory.write(RAM, code.code())
    # The load from nowhere is passed by.
    trap = Assembler(RAM + 0x1000)
    trap.emit("csrrs", rd=5, rs1=0, imm=0x341)
    trap.emit("addi", rd=5, rs1=5, imm=4)
    trap.emit("csrrw", rd=0, rs1=5, imm=0x341)
    trap.emit("mret")
    core.memory.write(RAM + 0x1000, trap.code())
    core.csr_write(0, 0x305, RAM + 0x1000)
    core.set_pc(0, RAM)
    stops = 0
    while core.icount() < 50_000:
        stops += core.run(max_insns=50_000 - core.icount()) == EXITS["stop"]
    assert stops > 5000
    assert core.icount() == 50_000
    # What it has added up is what was answered.
    answered = hook.calls - (core.pc(0) == RAM + 4 * 17)
    assert core.x(0, A0) in {n * (n + 1) // 2 for n in (answered, answered - 1)}
    core.close()


# DMA

QUEUE, TARGET = RAM + 0x20_0000, RAM + 0x30_0000
VIRTIO = 0x1000_1000


def ring(desc: int, sector: int, to: int) -> bytes:
    """Return three descriptors that read a page from the disk, what they point to coming before."""
    header = struct.pack("<IIQ", 0, 0, sector)
    chain = struct.pack("<QIHH", desc - 64, 16, 1, 1) + struct.pack("<QIHH", to, 4096, 3, 2)
    chain += struct.pack("<QIHH", desc - 8, 1, 2, 0)
    return header.ljust(64, b"\0") + chain


def dma_guest() -> bytes:
    """Return code that writes (address, value) pairs, waits for the used ring, and calls the page that was read."""
    code = Assembler(RAM)
    code.value(A0, 0)
    code.value(A1, TARGET)
    code.value(S3, QUEUE + 0x2000)
    code.value(S1, TABLE)
    # The page as it was: executed often enough to be compiled.
    code.value(S2, 50)
    code.label("warm")
    call(code, A1)
    code.emit("addi", rd=S2, rs1=S2, imm=-1)
    code.emit("bne", "warm", rs1=S2, rs2=0)
    code.label("poke")
    code.emit("ld", rd=A2, rs1=S1, imm=0)
    code.emit("ld", rd=A3, rs1=S1, imm=8)
    code.emit("addi", rd=S1, rs1=S1, imm=16)
    code.emit("beq", "wait", rs1=A2, rs2=0)
    code.emit("sw", rs1=A2, rs2=A3, imm=0)
    code.emit("jal", "poke", rd=0)
    code.label("wait")
    code.emit("lhu", rd=A4, rs1=S3, imm=2)
    code.emit("beq", "wait", rs1=A4, rs2=0)
    code.emit("fence.i")
    code.value(S2, 50)
    code.label("again")
    call(code, A1)
    code.emit("addi", rd=S2, rs1=S2, imm=-1)
    code.emit("bne", "again", rs1=S2, rs2=0)
    code.label("rest")
    code.emit("wfi")
    code.emit("jal", "rest", rd=0)
    return code.code()


@pytest.mark.parametrize("tier", ["t0", "t1"])
def test_a_disk_is_read_into_code(tmp_path: Path, tier: str) -> None:
    def adding(number: int) -> bytes:
        code = Assembler(TARGET)
        code.emit("addi", rd=A0, rs1=A0, imm=number)
        code.emit("jalr", rd=0, rs1=1, imm=0)
        return code.code().ljust(4096, b"\0")

    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4096) + adding(1000))
    with Machine("virt", ram="16M", disks=[Disk(path, transport="mmio")], bios="none", tier=tier) as vm:
        vm.phys.write(RAM, dma_guest())
        vm.phys.write(TARGET, adding(1))
        vm.phys.write(QUEUE - 64, ring(QUEUE, 8, TARGET))
        vm.phys.write(QUEUE + 0x1000, struct.pack("<HHH", 0, 1, 0))
        pokes = [(0x70, 0), (0x70, 1), (0x70, 3), (0x24, 1), (0x20, 1), (0x24, 0), (0x20, 0), (0x70, 11), (0x30, 0),
                 (0x38, 8)]  # fmt: skip
        for register, address in ((0x80, QUEUE), (0x90, QUEUE + 0x1000), (0xA0, QUEUE + 0x2000)):
            pokes += [(register, address & 0xFFFF_FFFF), (register + 4, address >> 32)]
        pokes += [(0x44, 1), (0x70, 15), (0x50, 0)]
        vm.phys.write(TABLE, b"".join(struct.pack("<QQ", VIRTIO + at, value) for at, value in pokes) + bytes(16))
        vm.pc = RAM
        stop = vm.run(max_insns=3_000_000)
        assert stop.reason == "idle"
        assert vm.x.a0 == 50 * 1 + 50 * 1000


def test_a_storm_within_a_tiny_cache() -> None:
    compared = in_lockstep(lambda tier: Storm(remaps("all", 4), tier), 30_000, limit=8 << 10)
    assert compared.stats["t1_evictions"] > 10
