"""Guests whose code is the harm: endless traps, random instructions, code that eats itself, the ends of memory."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.elf import elf64
from support.hostile import DRAM, MSTATUS, MTVEC, NOP, Act, bounded, code, do, interesting, op, run, write_acts

from vmcore import Machine
from vmcore.guests import image_path
from vmcore.isa.riscv.assemble import random_encoding
from vmcore.isa.riscv.table import INSTRUCTIONS

MIB = 1 << 20
RAM = 1 << 20
SATP, STVEC, MCAUSE, MTVAL = 0x180, 0x105, 0x342, 0x343
ECALL = 0x73
WFI = 0x1050_0073
M64 = (1 << 64) - 1


@pytest.mark.parametrize("harts", [1, 4])
@pytest.mark.parametrize("stvec", [0, 2**64 - 4, 0x1000_0000, DRAM + 0x20_0000, DRAM - 4])
@pytest.mark.parametrize("word", [0, ECALL | 1 << 20, 0x0000_0067, 0x1020_0073, 0x0000_3003])
def test_supervisors_that_trap_without_end(word: int, stvec: int, harts: int) -> None:
    with Machine(ram="8M", harts=harts, kernel=code(word, 0, 0, 0)) as vm:
        vm.core.csr_write(0, STVEC, stvec)
        stop = run(vm, 20_000)
        assert stop.reason == "budget"
        assert stop.icount == 20_000


@pytest.mark.parametrize("mode", [8, 9, 10])
def test_a_page_table_of_its_own_entries(mode: int) -> None:
    """Every entry of the root points to the root: walks end, at the last level with a mapping of that very page."""
    with Machine(ram="8M", kernel=code(WFI)) as vm:
        root = DRAM + 0x40_0000
        for flags in (0x01, 0xCF, 0xDF, 0x0F, 0x07):
            vm.reset()
            vm.phys.write(root, struct.pack("<Q", root >> 12 << 10 | flags) * 512)
            vm.core.csr_write(0, SATP, mode << 60 | root >> 12)
            assert run(vm, 5000).reason in ("budget", "idle")


@pytest.mark.parametrize("harts", [1, 8])
def test_waiting_for_nothing(harts: int) -> None:
    with Machine(ram="8M", harts=harts) as vm:
        vm.phys.write(DRAM, code(WFI, op("jal", imm=-4)))
        for _ in range(3):
            assert run(vm, 1000).reason == "idle"


# Random page tables, with random code behind them.

entries = st.tuples(
    st.sampled_from(["table", "ram", "device", "nowhere", "wild"]), st.integers(0, 15), st.integers(0, 1023)
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    mode=st.sampled_from([8, 9, 10]),
    rows=st.lists(entries, min_size=8, max_size=64),
    svadu=st.booleans(),
    seed=st.integers(0, 1 << 32),
)
def test_random_page_tables(mode: int, rows: list[tuple[str, int, int]], svadu: bool, seed: int) -> None:
    rng = random.Random(seed)
    tables = DRAM + 0x8_0000
    pages = {"ram": DRAM >> 12, "device": 0x1000_0000 >> 12, "nowhere": (DRAM + RAM) >> 12}

    def entry() -> bytes:
        kind, number, flags = rng.choice(rows)
        if kind == "table":
            return struct.pack("<Q", ((tables >> 12) + number) << 10 | 1)
        if kind == "wild":
            return rng.randbytes(8)
        # The program itself (the first pages) may be written, too: then it does something else.
        page = pages[kind] + (rng.randrange(256) if kind == "ram" else number)
        return struct.pack("<Q", (page << 10 | flags & 0x3FF | 1) | rng.choice((0, 0, 0, 1 << 63, 1 << 61)))

    with Machine(ram=RAM, seed=seed & 0xFFFF) as vm:
        for number in range(16):
            vm.phys.write(tables + 4096 * number, b"".join(entry() for _ in range(512)))
        satp = mode << 60 | rng.randrange(1 << 16) << 44 | tables >> 12
        # Loads, stores and the rest go through the tables as a supervisor's, by mstatus.MPRV.
        mprv = 1 << 17 | 1 << 11 | 3 << 13 | rng.getrandbits(2) << 18
        acts = []
        for _ in range(150):
            address = rng.choice((rng.getrandbits(39), rng.getrandbits(64), -rng.getrandbits(39), rng.getrandbits(57)))
            acts.append(Act(rng.choice(["ld", "sd", "lr.d", "amoadd.w", "cbo.zero", "sfence", "fld", "sh"]), address,
                            rng.getrandbits(64)))
        write_acts(vm, acts)
        vm.core.csr_write(0, SATP, satp)
        vm.core.csr_write(0, 0x30A, svadu << 61 | 1 << 62 | 0xF0)
        vm.core.csr_write(0, 0x3B0, M64)
        vm.core.csr_write(0, 0x3A0, 0x1F)
        vm.core.csr_write(0, MSTATUS, mprv)
        run(vm, 4000)
        # And as a supervisor whose code is wherever the tables say.
        vm.core.csr_write(0, SATP, satp)
        vm.core.csr_write(0, STVEC, rng.getrandbits(39))
        vm.core.csr_write(0, 0x302, 0xFFFF)
        vm.core.set_priv(0, 1)
        vm.core.set_pc(0, rng.getrandbits(38) & -2)
        run(vm, 4000)


# Random instructions that write into their own page.


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("harts", [1, 2])
def test_random_code_that_changes_itself(harts: int, seed: int) -> None:
    rng = random.Random(f"self {seed} {harts}")
    rows = [row for row in INSTRUCTIONS if not {"jump"} & row.flags]
    stores = [row for row in INSTRUCTIONS if "store" in row.flags]
    page = DRAM + 0x1_0000
    with bounded(32 * MIB), Machine(ram=RAM, harts=harts, seed=seed, reboot="stop") as vm:
        soup = b""
        while len(soup) < 4096:
            row = rng.choice(stores if rng.randrange(3) == 0 else rows)
            word = random_encoding(row, rng, ignored=True)
            soup += struct.pack("<I", word) if word & 3 == 3 else struct.pack("<H", word)
            if rng.randrange(12) == 0:
                soup += code(0x0000_100F)
        vm.phys.write(page, soup[:4096])
        # A trap's handler goes on behind the instruction, inside of the page.
        vm.phys.write(DRAM, code(
            op("csrrs", rd=31, imm=0x341), op("addi", rd=31, rs1=31, imm=4), op("slli", rd=31, rs1=31, imm=52),
            op("srli", rd=31, rs1=31, imm=52), op("lui", rd=30, imm=0), op("csrrs", rd=30, imm=0x340),
            op("add", rd=31, rs1=31, rs2=30), op("csrrw", rs1=31, imm=0x341), op("mret"),
        ))
        for hart in vm.harts:
            vm.core.csr_write(hart.index, MTVEC, DRAM)
            vm.core.csr_write(hart.index, 0x340, page)
            vm.core.csr_write(hart.index, MSTATUS, 3 << 13 | 3 << 11)
            hart.pc = page
            for number in range(1, 32):
                hart.x[number] = page + rng.randrange(4096) if rng.randrange(3) else interesting(rng, RAM)
        for _ in range(20):
            run(vm, 5000)


def test_code_at_the_very_end_of_memory() -> None:
    end = DRAM + RAM
    with Machine(ram=RAM) as vm:
        vm.core.csr_write(0, MTVEC, DRAM)
        vm.phys.write(DRAM, code(op("jal")))
        for words, executed, tval in (
            (b"\x01\x00", 1, end),  # c.nop, the last halfword of memory; the next one is outside
            (b"\x13\x00", 0, end),  # the first half of a nop: its other half is outside
            (b"\x13\x00\x00\x00", 1, end),
            (b"\x01\x00\x13\x00", 1, end),
        ):
            vm.phys.write(end - len(words), words)
            vm.core.fence_i()
            vm.pc = end - len(words)
            run(vm, executed + 1)
            assert (vm.csr.mcause, vm.csr.mtval) == (1, tval)
            assert vm.csr.mepc == (end if words[-2:] != b"\x13\x00" else end - 2)


def test_code_and_data_across_two_banks_that_touch() -> None:
    end = DRAM + RAM
    with Machine(ram=RAM, extra_ram=[(end, 4096)]) as vm:
        vm.phys.write(end - 2, struct.pack("<I", op("addi", rd=10, imm=77))[:2])
        vm.phys.write(end, struct.pack("<I", op("addi", rd=10, imm=77))[2:] + code(op("jal")))
        vm.pc = end - 2
        run(vm, 5)
        assert vm.x.a0 == 77
        got = do(vm, [Act("sd", end - 3, 0x1122334455667788), Act("ld", end - 3), Act("lhu", end - 1)])
        assert got[1:] == [0x1122334455667788, 0x5566]


def test_more_code_than_the_cache_holds() -> None:
    """64 MiB of code, run from end to end, twice: what was decoded first makes room."""
    size = 64 * MIB
    with Machine(ram="66M") as vm:
        row = code(*[NOP] * 31, op("jal", imm=4))
        vm.phys.write(DRAM, row * (size // len(row)) + code(op("ebreak")))
        end = DRAM + size
        vm.core.csr_write(0, MTVEC, end)
        with bounded(220 * MIB):
            for _ in range(2):
                vm.pc = DRAM
                stop = vm.run(until=end, max_insns=size // 4 + 1000, watchdog=100)
                assert stop.reason == "until"
        stats = vm.stats()
        assert stats["hart_instructions"][0] == 2 * (size // 4)
        assert stats["evictions"] > 0
        assert stats["code_bytes"] < 100 * MIB


# What guests may ask of the host: HTIF and SBI.


def test_htif_with_wild_pointers() -> None:
    rng = random.Random("htif")
    tohost, fromhost = DRAM + 0x2_0000, DRAM + 0x2_0040
    elf = elf64(DRAM, code(op("jal")), {"tohost": tohost, "fromhost": fromhost})
    acts = []
    for _ in range(400):
        kind = rng.randrange(4)
        block = DRAM + 0x3_0000 + 64 * rng.randrange(64) if kind else interesting(rng, RAM)
        acts.append(Act("sd", tohost, (block & (1 << 48) - 2) | rng.choice((0, 0, 0, 1 << 56, 257 << 48, 7 << 56))))
        # Its own words as the system call's block, and a half of the word only.
        acts.append(Act(rng.choice(("sd", "sw", "sb")), tohost, rng.choice((tohost, fromhost, tohost - 32)) & -2))
    calls = b"".join(
        struct.pack("<8Q", rng.choice((64, 64, 57, 1 << 40)), rng.choice((1, 2, 7)), interesting(rng, RAM),
                    interesting(rng, RAM), 0, 0, 0, 0)
        for _ in range(64)
    )
    with bounded(64 * MIB), Machine(ram=RAM, kernel=elf, bios="none") as vm:
        vm.phys.write(DRAM + 0x3_0000, calls)
        do(vm, acts)
        assert vm.exit_code is None
        write_acts(vm, [Act("sd", tohost, 7 << 1 | 1)])
        stop = run(vm, 1000)
        assert (stop.reason, stop.code) == ("exit", 7)


# Legacy ones but shutdown; base, TIME, IPI, RFENCE, HSM, DBCN, PMU; STA and NACL, which are not offered.
EXTENSIONS = [*range(8), 9, 0x10, 0x54494D45, 0x735049, 0x52464E43, 0x48534D, 0x4442434E, 0x504D55, 0x535441,
              0x4E41434C]


@pytest.mark.parametrize("harts", [1, 4])
@pytest.mark.parametrize("isa", [None, "rv64gc_sv39"])
def test_sbi_calls_with_random_arguments(isa: str | None, harts: int) -> None:
    """Every extension but those that end the machine; with and without Sstc, on which the timer depends."""
    rng = random.Random(f"sbi {harts} {isa}")
    base = DRAM + 0x20_0000
    loads = [op("ld", rd=10 + i, rs1=8, imm=8 * i) for i in range(8)]
    program = code(*loads, ECALL, op("addi", rd=8, rs1=8, imm=64), op("bne", rs1=8, rs2=9, imm=-40), op("jal"))
    count = 1500
    calls = b""
    for _ in range(count):
        extension, function = rng.choice(EXTENSIONS), rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, rng.getrandbits(64)))
        if rng.randrange(16) == 0:
            extension = rng.getrandbits(64)
        if extension == 0x48534D and function in (1, 3):
            function = 2  # The hart would stop, or go on elsewhere.
        small = (0, 1, 2, 3, 4, 16, 4096, M64, base + 0x10_0000)
        args = [rng.choice((*small, interesting(rng, 8 * MIB))) for _ in range(6)]
        calls += struct.pack("<8Q", *args, function, extension)
    with bounded(64 * MIB), Machine(ram="8M", harts=harts, isa=isa, kernel=program, reboot="stop") as vm:
        table = base + 0x1_0000
        vm.phys.write(table, calls)
        vm.core.csr_write(0, STVEC, base + 4 * (len(loads) + 3))
        vm.x[8], vm.x[9] = table, table + len(calls)
        # A console's read or a performance counter may write where it was told, the table included: what counts is the
        # end of the run.
        run(vm, 400_000)
        # The wild harts and the table are gone after a reset; the calls that end the machine do.
        vm.reset()
        vm.phys.write(base, code(op("lui", rd=17, imm=0x53525000), op("addi", rd=17, rs1=17, imm=0x354), ECALL))
        vm.x[10], vm.x[11], vm.x[16] = 0, 1, 0
        stop = run(vm, 1000)
        assert (stop.reason, stop.code) == ("poweroff", 1)


@pytest.mark.parametrize("function", [1, 3])
def test_harts_that_stop_themselves(function: int) -> None:
    rng = random.Random(function)
    for _ in range(20):
        with Machine(ram="8M", harts=2, kernel=code(ECALL, op("jal"))) as vm:
            vm.x[17], vm.x[16] = 0x48534D, function
            for i in range(10, 16):
                vm.x[i] = interesting(rng, 8 * MIB)
            if rng.randrange(2):
                vm.x[10] = 0x8000_0000
            assert run(vm, 2000).reason in ("idle", "budget")


@pytest.mark.parametrize("seed", range(12))
def test_a_kernel_whose_device_tree_was_destroyed(seed: int) -> None:
    """The bundled guest with a broken tree: it may do what it likes, the host goes on."""
    rng = random.Random(seed)
    with bounded(64 * MIB), Machine(ram="32M", harts=2, kernel=image_path(), seed=seed) as vm:
        tree = vm.x.a1
        size = struct.unpack(">I", vm.phys.read(tree + 4, 4))[0]
        if seed < 2:
            vm.phys.write(tree, bytes(size) if seed else b"\xff" * size)
        elif seed < 6:
            vm.phys.write(tree + 4 * rng.randrange(1, 10), struct.pack(">I", rng.choice((0, 1, 1 << 31, M64 >> 32))))
        else:
            for _ in range(200):
                vm.phys.write(tree + rng.randrange(40, size - 4), rng.randbytes(rng.choice((1, 4))))
        run(vm, 1_000_000)
        vm.reset()
        vm.console.read()
        vm.console.expect("vmcore> ", timeout=20)


def test_a_guest_that_prints_without_end_is_bounded() -> None:
    # lui a0, 0x10000; sb a1, 0(a0); j -4
    with Machine(ram=RAM) as vm, bounded(64 * MIB):
        vm.phys.write(DRAM, code(op("lui", rd=10, imm=0x10000000), op("sb", rs1=10, rs2=11), op("jal", imm=-4)))
        for _ in range(10):
            run(vm, 200_000)
        assert len(vm.console.read_bytes()) <= 17 * MIB
