"""Cases of one access through random page tables, with random rights, PMP entries and modes.

The tables are two pages that point to each other and to themselves, so a few random entries make paths of every
length. The entries that are used lie in the window of data, where what the hart does to them is compared: the last 32
of one page, the first 32 of the next.

The access is made by M-mode code with mstatus.MPRV set, or is the fetch after an mret; so the program itself needs no
translation, and the trap that ends it finds M-mode as it was.
"""

from __future__ import annotations

import struct
from random import Random

from support import cases
from support.lockstep import DATA, EDGE, FILL, M64, RAM, RAM_END, WINDOW, WINDOW_HALF, Case

from vmcore.isa.riscv import BY_MNEMONIC, Instruction
from vmcore.isa.riscv.assemble import encode
from vmcore.isa.riscv.csrs import csr_number

MPRV, SUM, MXR, MPP = 1 << 17, 1 << 18, 1 << 19, 3 << 11
ADUE, PBMTE, CBO = 1 << 61, 1 << 62, 0xF0
PAGE = 4096
HIGH, LOW = WINDOW - PAGE, WINDOW  # the two tables: the end of one and the beginning of the other are in the window
ENTRIES = WINDOW_HALF // 8
# Code that ends at once, wherever it is entered. Nobody may write it.
FILL_PAGES = (FILL[0], FILL[1] - PAGE)
PTE_V, PTE_R, PTE_W, PTE_X, PTE_U, PTE_G, PTE_A, PTE_D = (1 << n for n in range(8))
# Registers with a part in the program.
SATP, ENV, CLEAR, SET, AT, GOAL, CFG, ADDR0, ADDR1, ADDR2 = range(18, 28)

#: Rows whose access can be made through the tables.
ROWS: list[Instruction] = [
    BY_MNEMONIC[name]
    for name in ("lb", "lhu", "lw", "ld", "sb", "sh", "sw", "sd", "flw", "fsd", "lr.w", "sc.d", "amoadd.w", "amoswap.d",
                 "amocas.d", "cbo.zero", "cbo.clean", "cbo.inval")
]  # fmt: skip

LOADS = [row for row in ROWS if "store" not in row.flags]


def _leaf(rng: Random, level: int) -> int:
    """Return the entry of a leaf, or something that almost is one."""
    target = rng.choice((LOW, LOW, HIGH, HIGH, RAM_END - PAGE, RAM_END, *FILL_PAGES, 0x4000_0000))
    size = PAGE << 9 * level
    # A superpage is aligned; now and then it is not.
    page = (target & -size if rng.randrange(6) else target) >> 12
    everything = PTE_R | PTE_W | PTE_X
    flags = PTE_V | rng.choice((PTE_R, PTE_R | PTE_W, PTE_X, PTE_R | PTE_X, PTE_W, PTE_W | PTE_X, *6 * (everything,)))
    flags |= rng.choice((0, PTE_U)) | rng.choice((0, 0, PTE_G)) | rng.getrandbits(2) << 8
    flags |= rng.choice((PTE_A | PTE_D, PTE_A | PTE_D, PTE_A, 0, PTE_D))
    if target in FILL_PAGES:
        flags &= ~PTE_W
    entry = page << 10 | flags
    kind = rng.randrange(20)
    if kind == 0:
        # Svnapot: 64 KiB, the only size there is, or another.
        entry = (page & ~15 | rng.choice((8, 8, 8, 4, 0, 9, 1))) << 10 | flags | 1 << 63
    elif kind == 1:
        entry |= rng.randrange(4) << 61
    elif kind == 2:
        entry |= 1 << rng.randrange(54, 64)
    elif kind == 3:
        entry ^= 1 << rng.choice((*range(10), *range(34, 54)))
    return entry


def _entry(rng: Random) -> int:
    kind = rng.randrange(20)
    if kind < 8:
        # The next table, mostly without anything that a pointer must not have.
        noise = 1 << rng.choice((3, 4, 5, 6, 7, 8, 54, 61, 62, 63)) if rng.randrange(12) == 0 else 0
        table = rng.choice((LOW, HIGH)) if rng.randrange(15) else rng.choice((RAM_END, 0x4000_0000, RAM))
        return table >> 2 | PTE_V | noise
    if kind == 8:
        return rng.getrandbits(64)
    if kind == 9:
        return rng.getrandbits(54) & ~PTE_V
    return _leaf(rng, rng.choice((0, 0, 0, 1, 2)))


def _tables(rng: Random) -> bytes:
    return struct.pack(f"<{2 * ENTRIES}Q", *(_entry(rng) for _ in range(2 * ENTRIES)))


def _address(rng: Random, data: bytes, root: int, levels: int) -> int:
    """Return an address whose path stays among the entries; mostly one that ends in a leaf that could be right."""
    table, address, level = root, 0, levels - 1
    while level >= 0:
        first = 0 if table == LOW else 512 - ENTRIES
        tries = [first + rng.randrange(ENTRIES) for _ in range(rng.choice((1, 8, 8, 8)))]
        index = max(tries, key=lambda at: _promise(_look(data, table, at), level))
        address = address << 9 | index
        entry = _look(data, table, index)
        if entry & 0xF != PTE_V or entry >> 10 << 12 not in (LOW, HIGH):
            break
        table = entry >> 10 << 12
        level -= 1
    level = max(level, 0)
    # Under a superpage the rest of the address leads to the window.
    size = PAGE << 9 * level
    inside = (WINDOW + rng.randrange(-WINDOW_HALF, WINDOW_HALF)) % size
    if rng.randrange(4) == 0:
        inside = inside & -PAGE | rng.choice((PAGE - rng.randrange(1, 9), rng.randrange(PAGE)))
    address = address << 12 + 9 * level | inside
    bits = 9 * levels + 12
    if address >> bits - 1:
        address |= M64 << bits & M64
    if rng.randrange(30) == 0:
        address ^= 1 << rng.randrange(bits - 1, 64)
    return address


def _look(data: bytes, table: int, index: int) -> int:
    at = table + 8 * index - (WINDOW - WINDOW_HALF)
    return int.from_bytes(data[at : at + 8], "little")


def _promise(entry: int, level: int) -> int:
    """Return how likely an entry at a level is to be of use."""
    if not entry & PTE_V or entry >> 54:
        return 0
    if entry & 0xE == 0:
        return 2 if level else 0
    return 0 if entry >> 10 & (1 << 9 * level) - 1 else 3 if level == 0 else 1


def _protection(rng: Random) -> tuple[int, list[int]]:
    """Return pmpcfg0 and the first three pmpaddr: usually everything is allowed."""
    if rng.randrange(4):
        return 0x1F, [M64 >> 10, 0, 0]
    # Nothing smaller than a cache block: it is open whether the cbo instructions look at all of theirs.
    edges = (LOW, HIGH, LOW + 64, LOW - 64, LOW + PAGE, RAM_END - PAGE, RAM, 0)
    config, addresses = 0, []
    for entry in range(3):
        rights = rng.choice((0, 1, 3, 4, 5, 7))
        mode = rng.choice((0, 1, 3))
        base = rng.choice(edges) >> 2
        if mode == 3:
            base |= (1 << rng.randrange(3, 12)) - 1
        config |= (mode << 3 | rights) << 8 * entry
        addresses.append(base)
    if rng.randrange(2):
        config, addresses[2] = config & 0xFFFF | 0x1F << 16, M64 >> 10
    return config, addresses


def case(rng: Random) -> Case:
    """Return a case of one access."""
    one = Case(b"", cases.places(rng, 64))
    cases.registers(rng, one, cases.Style())
    mode = rng.choice((8, 8, 9, 10))
    levels = mode - 5
    root = rng.choice((LOW, HIGH))
    tables = _tables(rng)
    one.data = tables + rng.randbytes(EDGE)
    assert len(one.data) == DATA
    address = _address(rng, tables, root, levels)
    config, protected = _protection(rng)
    fetch = rng.randrange(4) == 0
    if fetch:
        address &= ~1
    privilege = rng.choice((0, 1, 1))
    values = {
        SATP: mode << 60 | rng.choice((0, rng.getrandbits(16))) << 44 | root >> 12,
        ENV: rng.choice((0, ADUE, ADUE)) | rng.choice((0, PBMTE)) | CBO,
        CLEAR: MPP | SUM | MXR,
        SET: (0 if fetch else MPRV) | rng.choice((0, SUM, SUM)) | rng.choice((0, MXR)) | privilege << 11,
        AT: address,
        GOAL: rng.getrandbits(64),
        CFG: config,
        ADDR0: protected[0],
        ADDR1: protected[1],
        ADDR2: protected[2],
    }
    for number, value in values.items():
        one.x[number] = value
    words = [_write(name, register) for name, register in (
        ("pmpcfg0", 0), ("pmpaddr0", ADDR0), ("pmpaddr1", ADDR1), ("pmpaddr2", ADDR2), ("pmpcfg0", CFG),
        ("satp", SATP), ("menvcfg", ENV),
    )]  # fmt: skip
    words.append(encode(BY_MNEMONIC["sfence.vma"], rs1=0, rs2=0))
    words.append(encode(BY_MNEMONIC["csrrc"], rd=0, rs1=CLEAR, imm=csr_number("mstatus")))
    if fetch:
        words += [_write("mepc", AT), encode(BY_MNEMONIC["csrrs"], rd=0, rs1=SET, imm=csr_number("mstatus")),
                  encode(BY_MNEMONIC["mret"])]
    else:
        words.append(encode(BY_MNEMONIC["csrrs"], rd=0, rs1=SET, imm=csr_number("mstatus")))
        # A store across a page boundary whose second part faults may have been made in part: there, loads only.
        rows = ROWS if address % PAGE <= PAGE - 8 else LOADS
        words.append(_access(rng, rows))
        if rng.randrange(3) == 0:
            # The first one may have changed the tables, so they are looked at anew; that ends a reservation, or not.
            rows = [row for row in rows if not row.mnemonic.startswith("sc.")]
            words += [encode(BY_MNEMONIC["sfence.vma"], rs1=0, rs2=0), _access(rng, rows)]
        # Without MPRV, c.ebreak behind the program finds its way.
        words += [encode(BY_MNEMONIC["lui"], rd=CLEAR, imm=MPRV),
                  encode(BY_MNEMONIC["csrrc"], rd=0, rs1=CLEAR, imm=csr_number("mstatus"))]
    one.code = b"".join(word.to_bytes(4, "little") for word in words)
    one.note = f"Sv{12 + 9 * levels}"
    return one


def _write(name: str, register: int) -> int:
    return encode(BY_MNEMONIC["csrrw"], rd=0, rs1=register, imm=csr_number(name))


def _access(rng: Random, rows: list[Instruction]) -> int:
    row = rng.choice(rows)
    chosen = {name: rng.randrange(10, 17) for name in ("rd", "rs2") if row.format.field(name)[1]}
    return encode(row, rs1=AT, **chosen)
