"""The second-level TLB: it answers as the page tables do, whatever was fenced and however, and it saves walks."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from support.amount import scaled

from vmcore._fast.run import Core
from vmcore.errors import MemoryAccessError
from vmcore.isa.riscv import BY_MNEMONIC, Isa, install
from vmcore.isa.riscv.assemble import encode

RAM, RAM_SIZE, TABLES, TABLES_SIZE = 0x8000_0000, 16 << 20, 0x7000_0000, 1 << 20
# In a bank of its own, so that no superpage reaches it.
CODE, TRAP = 0x6000_0000, 0x6000_0800
PAGE, MIB2, GIB = 1 << 12, 1 << 21, 1 << 30
V, R, W, X, U, G, A, D, N = 1, 2, 4, 8, 16, 32, 64, 128, 1 << 63
MSTATUS, MTVEC, MCAUSE, MTVAL, SATP, MENVCFG, PMPCFG0, PMPADDR0 = 0x300, 0x305, 0x342, 0x343, 0x180, 0x30A, 0x3A0, 0x3B0
MPRV, SUM, MXR, ADUE, PBMTE = 1 << 17, 1 << 18, 1 << 19, 1 << 61, 1 << 62
LOAD, STORE = CODE, CODE + 16
A0, A1 = 10, 11
FAULT = {"r": 13, "w": 15, "x": 12}
M64 = 2**64 - 1


class Board:
    """One hart whose pages of RAM all hold their own number, as data and as code, and page tables beside them."""

    def __init__(self, levels: int = 3) -> None:
        install()
        self.levels = levels
        self.core = core = Core(1, Isa.default().mask)
        core.add_ram(RAM, RAM_SIZE)
        core.add_ram(TABLES, TABLES_SIZE)
        core.add_ram(CODE, PAGE)
        for page in range(RAM_SIZE // PAGE):
            as_code = encode(BY_MNEMONIC["lui"], rd=A1, imm=page << 12)
            core.memory.write(RAM + page * PAGE, struct.pack("<IIQ", as_code, 0, page))
        core.memory.write(LOAD, encode(BY_MNEMONIC["ld"], rd=A1, rs1=A0, imm=8).to_bytes(4, "little"))
        core.memory.write(STORE, encode(BY_MNEMONIC["sd"], rs1=A0, rs2=A1, imm=16).to_bytes(4, "little"))
        core.csr_write(0, MTVEC, TRAP)
        core.probe_add(TRAP)
        core.csr_write(0, PMPADDR0, M64)
        core.csr_write(0, PMPCFG0, 0x1F)
        self.free = TABLES
        self.stores = 1 << 32

    def table(self) -> int:
        at, self.free = self.free, self.free + PAGE
        return at

    def pte(self, at: int) -> int:
        return struct.unpack("<Q", self.core.memory.read(at, 8))[0]

    def put(self, at: int, value: int) -> None:
        self.core.memory.write(at, struct.pack("<Q", value))

    def slot(self, root: int, va: int, level: int = 0) -> int:
        """Return where the PTE of `va` at `level` is; tables on the way are made."""
        table = root
        for upper in range(self.levels - 1, level, -1):
            at = table + (va >> 12 + 9 * upper & 511) * 8
            if not self.pte(at) & V:
                self.put(at, self.table() >> 2 | V)
            table = self.pte(at) >> 10 << 12
        return table + (va >> 12 + 9 * level & 511) * 8

    def enter(self, root: int, asid: int) -> None:
        self.core.csr_write(0, SATP, self.levels + 5 << 60 | asid << 44 | root >> 12)

    def access(self, kind: str, va: int, priv: int = 1, sum_: bool = False, mxr: bool = False) -> int | None:
        """Load, store or fetch there; return the number of the page that answered, or None for a page fault."""
        core = self.core
        rights = (SUM if sum_ else 0) | (MXR if mxr else 0)
        core.csr_write(0, MCAUSE, 63)
        core.set_x(0, A0, va)
        if kind == "x":
            core.csr_write(0, MSTATUS, rights)
            core.set_priv(0, priv)
            core.set_pc(0, va)
        else:
            core.set_priv(0, 3)
            core.csr_write(0, MSTATUS, rights | MPRV | priv << 11)
            core.set_pc(0, LOAD if kind == "r" else STORE)
        self.stores += 1
        core.set_x(0, A1, self.stores)
        core.run(max_insns=1)
        core.set_priv(0, 3)
        core.csr_write(0, MSTATUS, 0)
        if core.pc(0) == TRAP:
            assert core.csr_read(0, MCAUSE) == FAULT[kind]
            assert core.csr_read(0, MTVAL) == va + {"r": 8, "w": 16, "x": 0}[kind]
            return None
        if kind == "w":
            stored = struct.pack("<Q", self.stores)
            (page,) = (at for at in range(RAM_SIZE // PAGE) if core.memory.read(RAM + at * PAGE + 16, 8) == stored)
            return page
        return core.x(0, A1) >> 12 if kind == "x" else core.x(0, A1)

    def counts(self) -> tuple[int, int]:
        stats = self.core.stats()
        return stats["page_walks"], stats["l2_tlb_hits"]


@pytest.fixture(params=[3, 4, 5])
def board(request: pytest.FixtureRequest) -> Iterator[Board]:
    one = Board(request.param)
    yield one
    one.core.close()


# Agreement with the page tables.


@dataclass
class Leaf:
    """A place in the tables of one space, or of all of them, that holds a leaf."""

    va: int
    level: int
    slots: list[int]  # one; Svnapot: sixteen
    asid: int | None  # None: global

    @property
    def size(self) -> int:
        return PAGE << 9 * self.level if len(self.slots) == 1 else 16 * PAGE


class Spaces:
    """Three address spaces, and what each of their leaves says; every change is fenced in one of the ways that do."""

    def __init__(self, board: Board, rng: Random) -> None:
        self.board, self.rng = board, rng
        self.adue = False
        top = 1 << 9 * board.levels + 3 - 1  # one entry of the root is below it
        self.roots = {asid: board.table() for asid in (0, 1, 0xFFFF)}
        self.leaves: list[Leaf] = []
        for asid, root in self.roots.items():
            self.leaves += [self._leaf(root, va, 0, asid) for va in self._small(0)]
            self.leaves += [self._leaf(root, 1 * GIB + n * 16 * PAGE, 0, asid, napot=True) for n in range(2)]
            self.leaves += [self._leaf(root, 2 * GIB + n * MIB2, 1, asid) for n in range(3)]
            self.leaves += [self._leaf(root, n * GIB, 2, asid) for n in (3, 5)]
        # What is global lies in the upper half, below an entry that the roots share.
        first, *others = self.roots.values()
        high = -(top if board.levels > 3 else 4 * GIB) & M64
        self.leaves += [self._leaf(first, high + va, 0, None) for va in self._small(0)[:6]]
        self.leaves += [self._leaf(first, high + GIB // 2 + n * MIB2, 1, None) for n in range(2)]
        self.leaves += [self._leaf(first, high + GIB // 4, 0, None, napot=True)]
        shared = (high >> 3 + 9 * board.levels & 511) * 8
        for root in others:
            board.put(root + shared, board.pte(first + shared))
        for leaf in self.leaves:
            self.write(leaf)

    @staticmethod
    def _small(base: int) -> list[int]:
        # More that fall on one place of either TLB than it has room for there, and neighbours.
        return [base + n * (4 << 20) for n in range(5)] + [base + (n << 21 ^ n << 12) for n in range(1, 7)]

    def _leaf(self, root: int, va: int, level: int, asid: int | None, *, napot: bool = False) -> Leaf:
        slots = [self.board.slot(root, va + n * PAGE, level) for n in range(16 if napot else 1)]
        return Leaf(va & M64, level, slots, asid)

    def write(self, leaf: Leaf) -> None:
        """Let the leaf be something else."""
        rng = self.rng
        flags = V | rng.choice((R, R | W, X, R | X, R | W | X, R | W | X)) | rng.choice((0, U))
        flags |= rng.choice((A | D, A | D, A, 0)) | (G if leaf.asid is None else 0)
        page = RAM + rng.randrange(RAM_SIZE) & -leaf.size
        if rng.randrange(8) == 0:
            flags = 0
        if len(leaf.slots) > 1:
            page |= 8 * PAGE
            flags |= N
        for slot in leaf.slots:
            self.board.put(slot, page >> 2 | flags)

    def fence(self, leaf: Leaf) -> None:
        """Do a fence that covers the leaf, perhaps just so."""
        inside = leaf.va + self.rng.randrange(leaf.size) & M64
        kinds = [(None, None), (inside, None)]
        if leaf.asid is not None:
            kinds += [(None, leaf.asid), (inside, leaf.asid)]
        self.board.core.flush_tlb(0, *self.rng.choice(kinds))

    def expected(self, leaf: Leaf, at: int, kind: str, priv: int, sum_: bool, mxr: bool) -> int | None:
        """What the tables say, and what the access does to them."""
        slot = leaf.slots[at // PAGE if len(leaf.slots) > 1 else 0]
        pte = self.board.pte(slot)
        right = {"r": R | (X if mxr else 0), "w": W, "x": X}[kind]
        need = A | D if kind == "w" else A
        if not pte & V or not pte & right:
            return None
        if (priv == 1 and kind == "x" if pte & U else priv == 0) or (pte & U and priv == 1 and not sum_):
            return None
        if pte & need != need and not self.adue:
            return None
        base = (pte & ~N) >> 10 << 12 & -leaf.size
        return (base + at - RAM) // PAGE

    def step(self) -> None:
        """Change one leaf or nothing, then make a few accesses to one."""
        rng = self.rng
        leaf = rng.choice(self.leaves)
        what = rng.randrange(300)
        if what < 60:
            self.write(leaf)
            self.fence(leaf)
        elif what == 60:
            self.adue = not self.adue
            self.board.core.csr_write(0, MENVCFG, ADUE if self.adue else 0)
        for _ in range(3):
            asid = leaf.asid if leaf.asid is not None else rng.choice(list(self.roots))
            at = rng.randrange(min(leaf.size, RAM_SIZE)) & -PAGE
            self.access(leaf, asid, at, (rng.choice("rrwx"), rng.randrange(2), rng.random() < 0.5, rng.random() < 0.5))

    def access(self, leaf: Leaf, asid: int, at: int, how: tuple[str, int, bool, bool]) -> None:
        expected = self.expected(leaf, at, *how)
        slot = leaf.slots[at // PAGE if len(leaf.slots) > 1 else 0]
        before = self.board.pte(slot)
        self.board.enter(self.roots[asid], asid)
        found = self.board.access(how[0], leaf.va + at & M64, *how[1:])
        assert found == expected, (leaf, hex(at), how, hex(before))
        marks = 0 if expected is None else A | D if how[0] == "w" else A
        entries = [self.board.pte(one) for one in leaf.slots]
        assert before | marks in entries
        # Of a Svnapot page one entry may bear the marks for all. The guest's next look at them would be this one.
        for one in leaf.slots:
            self.board.put(one, self.board.pte(one) | marks)


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_the_page_tables(board, seed):
    spaces = Spaces(board, Random(f"{board.levels} {seed}"))
    for _ in range(scaled(1500)):
        spaces.step()
    walks, hits = board.counts()
    assert hits > 200
    assert walks > 200


# What it saves.


def test_pages_that_the_first_level_has_no_room_for_are_walked_once(board):
    root = board.table()
    pages = [n * (4 << 20) for n in range(4)]
    for n, va in enumerate(pages):
        board.put(board.slot(root, va), RAM + n * PAGE >> 2 | V | R | A)
    board.enter(root, 7)
    for _ in range(5):
        assert [board.access("r", va) for va in pages] == [0, 1, 2, 3]
    assert board.counts() == (4, 16)


def test_loads_stores_and_fetches_of_every_privilege_share_what_was_walked(board):
    root = board.table()
    board.put(board.slot(root, PAGE), RAM >> 2 | V | R | W | X | U | A | D)
    board.enter(root, 7)
    assert board.access("r", PAGE, 0) == 0
    assert board.access("w", PAGE, 1, sum_=True) == 0
    assert board.access("x", PAGE, 0) == 0
    assert board.counts() == (1, 2)
    # Refused by a walk, never by an entry: rights may have been added without a fence.
    assert board.access("r", PAGE, 1) is None
    assert board.counts() == (2, 2)


@pytest.mark.parametrize(("level", "size"), [(0, 16 * PAGE), (1, MIB2), (2, GIB)])
def test_a_large_page_is_walked_once(board, level, size):
    root = board.table()
    va = 5 * size
    flags = V | R | A | (N if level == 0 else 0)
    for n in range(16 if level == 0 else 1):
        board.put(board.slot(root, va + n * PAGE, level), RAM + (8 * PAGE if level == 0 else 0) >> 2 | flags)
    board.enter(root, 7)
    pages = min(size, RAM_SIZE) // PAGE
    assert [board.access("r", va + n * PAGE) for n in range(pages)] == list(range(pages))
    assert board.counts() == (1, pages - 1)
    # A fence at any address of it takes all of it away.
    board.core.flush_tlb(0, va + size - 1, 7)
    assert board.access("r", va) == 0
    assert board.counts()[0] == 2


def test_global_pages_serve_every_address_space_and_outlive_its_fences(board):
    roots = [board.table(), board.table()]
    for root in roots:
        board.put(board.slot(root, PAGE), RAM >> 2 | V | R | A | G)
        board.put(board.slot(root, 2 * PAGE), RAM + PAGE >> 2 | V | R | A)
    for asid, root in enumerate(roots):
        board.enter(root, asid)
        assert [board.access("r", n * PAGE) for n in (1, 2)] == [0, 1]
    assert board.counts() == (3, 1)
    for fence in ((None, 1), (PAGE, 1), (None, 0), (PAGE, 0)):
        board.core.flush_tlb(0, *fence)
        for asid, root in enumerate(roots):
            board.enter(root, asid)
            assert board.access("r", PAGE) == 0
    assert board.counts()[0] == 3
    board.core.flush_tlb(0, PAGE)
    assert board.access("r", PAGE) == 0
    assert board.counts()[0] == 4


def test_what_changes_the_meaning_of_an_entry_drops_it(board):
    root = board.table()
    board.put(board.slot(root, PAGE), RAM >> 2 | V | R | A)
    board.enter(root, 7)
    changes = ((PMPCFG0, 0x1F), (PMPADDR0, M64 >> 11), (MENVCFG, ADUE), (MENVCFG, ADUE | PBMTE), (MENVCFG, 0))
    for walks, (csr, value) in enumerate(changes, 1):
        assert board.access("r", PAGE) == 0
        assert board.access("r", PAGE) == 0
        assert board.counts()[0] == walks
        board.core.csr_write(0, csr, value)
    assert board.access("r", PAGE) == 0
    assert board.counts()[0] == len(changes) + 1


def test_addresses_that_no_mode_has_find_nothing(board):
    root = board.table()
    board.put(board.slot(root, PAGE), RAM >> 2 | V | R | A)
    board.enter(root, 7)
    assert board.access("r", PAGE) == 0
    for bit in range(9 * board.levels + 11, 64):
        assert board.access("r", PAGE | 1 << bit) is None


def test_a_look_from_outside_leaves_no_entry(board):
    root = board.table()
    slot = board.slot(root, PAGE)
    board.put(slot, RAM >> 2 | V | R | W)
    board.enter(root, 7)
    board.core.set_priv(0, 1)
    assert board.core.translate(0, PAGE, "w") == RAM
    with pytest.raises(MemoryAccessError):
        board.core.translate(0, 2 * PAGE)
    assert board.access("r", PAGE) is None
    assert board.pte(slot) == RAM >> 2 | V | R | W
