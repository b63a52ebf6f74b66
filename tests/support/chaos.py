"""A machine on which much happens: random code that never ends, traps, privilege changes, interrupts, two harts.

Everything in it is determined by a seed, so whatever is done to it from outside that the guest cannot see (stopping,
flushing, probing) must leave it as it would have been.

The code is blocks of random instructions that jump among each other. A trap handler in M-mode mixes what it sees into
a word of memory, skips the instruction that trapped, or sets the next timer interrupt and goes on with another block,
in a privilege that it draws from that word. Nothing leaves the window of data or writes code, so all of it goes on for
ever.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from support import cases
from support.assembler import Assembler

from vmcore._fast.dev.clint import Clint
from vmcore._fast.run import Core
from vmcore.isa.riscv import BY_MNEMONIC, INSTRUCTIONS, Isa, install
from vmcore.isa.riscv.assemble import encode
from vmcore.isa.riscv.csrs import CSRS, csr_number

RAM, RAM_SIZE = 0x8000_0000, 0x20_0000
HANDLER, SAVED, BLOCKS, ROOT, WINDOW, CODE = (
    RAM + at for at in (0, 0x1000, 0x2000, 0x4000, 0x1_0000, 0x2_0000))  # fmt: skip
NBLOCKS = 64
CLINT = 0x200_0000
MTIMECMP, MTIME = CLINT + 0x4000, CLINT + 0xBFF8
MSTATUS, MIE, MTVEC, MSCRATCH, MEPC, MCAUSE, MTVAL = (
    csr_number(name) for name in ("mstatus", "mie", "mtvec", "mscratch", "mepc", "mcause", "mtval"))  # fmt: skip
FS, MPIE, MPP, MPP_S = 1 << 13, 1 << 7, 3 << 11, 1 << 11
MSIE, MTIE = 1 << 3, 1 << 7

#: CSRs that the random code reads and writes: none of them changes its course.
TOUCHED = [
    csr_number(name)
    for name in ("fflags", "frm", "fcsr", "cycle", "time", "instret", "hpmcounter3", "sscratch", "sepc", "scause",
                 "stval", "scounteren", "mcycle", "minstret", "mcountinhibit", "mcounteren", "stimecmp", "mhartid",
                 "misa", "sip", "sie")
]  # fmt: skip
#: Every CSR but the entropy source, whose next value is drawn by reading it.
COMPARED = [csr.number for csr in CSRS if csr.name != "seed"]

_ORDINARY = [row for row in INSTRUCTIONS if row.mnemonic not in ("wfi", "c.ebreak", "fence.i")]
_MODES = {"m": (3, 3), "bare": (0, 1), "supervisor": (1, 3), "user": (0, 3)}


@dataclass(frozen=True)
class World:
    """What a machine is made of.

    Parameters
    ----------
    seed : int
        Of the code and the registers.
    mode : str
        ``m``; ``bare``: U and S without translation; ``supervisor`` or ``user``: that and M, under Sv39.
    harts : int
        1 or 2.
    reserving : bool
        The code has LR and SC. A TLB flush ends a reservation, which is allowed but can be seen.
    fenced : bool
        Stores to code are followed by a ``fence.i`` before anything else runs: otherwise either may be executed.
    """

    seed: int
    mode: str = "m"
    harts: int = 1
    reserving: bool = True
    fenced: bool = False


def _handler(mode: str, fenced: bool) -> bytes:
    """Return the trap handler. x31 and x30 and x29 are its registers; mscratch points to 64 bytes of its hart."""
    asm = Assembler(HANDLER)
    if fenced:
        # What the interrupted code was about to say.
        asm.emit("fence.i")
    asm.emit("csrrw", rd=31, rs1=31, imm=MSCRATCH)
    asm.emit("sd", rs1=31, rs2=30, imm=0)
    asm.emit("sd", rs1=31, rs2=29, imm=8)
    asm.emit("ld", rd=29, rs1=31, imm=16)
    for csr, mix in ((MCAUSE, "add"), (MTVAL, "xor"), (MEPC, "add")):
        asm.emit("csrrs", rd=30, rs1=0, imm=csr)
        asm.emit("rori", rd=29, rs1=29, imm=7)
        asm.emit(mix, rd=29, rs1=29, rs2=30)
    asm.emit("sd", rs1=31, rs2=29, imm=16)
    asm.emit("csrrs", rd=30, rs1=0, imm=MCAUSE)
    asm.emit("blt", "interrupt", rs1=30, rs2=0)
    asm.emit("csrrs", rd=30, rs1=0, imm=MEPC)
    asm.emit("addi", rd=30, rs1=30, imm=4)
    asm.emit("csrrw", rd=0, rs1=30, imm=MEPC)
    asm.emit("jal", "back", rd=0)
    asm.label("interrupt")
    # On with another block.
    asm.emit("andi", rd=30, rs1=29, imm=63)
    asm.emit("ld", rd=29, rs1=31, imm=40)
    asm.emit("sh3add", rd=30, rs1=30, rs2=29)
    asm.emit("ld", rd=30, rs1=30, imm=0)
    asm.emit("csrrw", rd=0, rs1=30, imm=MEPC)
    # The next one comes 1 to 4 ticks of the timer from now.
    asm.emit("ld", rd=29, rs1=31, imm=16)
    asm.emit("srli", rd=29, rs1=29, imm=9)
    asm.emit("andi", rd=29, rs1=29, imm=3)
    asm.emit("ld", rd=30, rs1=31, imm=24)
    asm.emit("ld", rd=30, rs1=30, imm=0)
    asm.emit("add", rd=29, rs1=29, rs2=30)
    asm.emit("addi", rd=29, rs1=29, imm=1)
    asm.emit("ld", rd=30, rs1=31, imm=32)
    asm.emit("sd", rs1=30, rs2=29, imm=0)
    asm.label("back")
    low, high = _MODES[mode]
    asm.emit("ld", rd=29, rs1=31, imm=16)
    asm.emit("andi", rd=29, rs1=29, imm=1)
    asm.value(30, MPP)
    asm.emit("csrrc", rd=0, rs1=30, imm=MSTATUS)
    asm.value(30, low << 11)
    asm.emit("beq", "chosen", rs1=29, rs2=0)
    asm.value(30, high << 11)
    asm.label("chosen")
    asm.emit("csrrs", rd=0, rs1=30, imm=MSTATUS)
    asm.emit("ld", rd=29, rs1=31, imm=8)
    asm.emit("ld", rd=30, rs1=31, imm=0)
    asm.emit("csrrw", rd=31, rs1=31, imm=MSCRATCH)
    asm.emit("mret")
    return asm.code()


def trouble(rng: Random) -> bytes:
    """Return an instruction of four bytes that traps, waits, or looks at time."""
    kind = rng.randrange(7)
    rd = rng.choice([n for n in range(32) if n not in (cases.COUNTER, cases.BASE)])
    if kind == 0:
        word = encode(BY_MNEMONIC[rng.choice(("ecall", "ebreak", "wfi", "fence.i", "pause"))])
    elif kind == 1:
        word = rng.getrandbits(25) << 7 | 0x5B  # custom-2: reserved for others
    elif kind == 2:
        # Nothing is there around address 0.
        word = encode(BY_MNEMONIC[rng.choice(("lb", "lw", "ld"))], rd=rd, rs1=0, imm=rng.randrange(-2048, 2048))
    elif kind == 3:
        word = encode(BY_MNEMONIC[rng.choice(("sb", "sd"))], rs1=0, rs2=rd, imm=rng.randrange(-2048, 2048))
    else:
        row = BY_MNEMONIC[rng.choice(("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"))]
        word = encode(row, rd=rd, rs1=rng.randrange(32), imm=rng.choice(TOUCHED))
    return word.to_bytes(4, "little")


def tangle(rng: Random, reserving: bool, trouble: Callable[[Random], bytes]) -> tuple[bytes, list[int]]:
    """Return blocks that jump among each other without end, and where each begins. Every other one has trouble."""
    style = cases.Style()
    atomics = [row for row in _ORDINARY if reserving or not row.mnemonic.startswith("lr.")]
    blocks, ends = [], []
    for _ in range(NBLOCKS):
        block = cases.straight(rng, _ORDINARY, rng.randrange(1, 9), style)
        if rng.randrange(2):
            block += trouble(rng)
        if rng.randrange(4) == 0:
            block += cases.atomic_run(rng, atomics)
        blocks.append(block)
        ends.append(rng.choice(("branch", "branch", "jal", "jalr", "on")))
    ends[-1] = "jal"
    sizes = {"branch": 4, "jal": 4, "jalr": 12, "on": 0}
    starts, at = [], 0
    for block, end in zip(blocks, ends, strict=True):
        starts.append(at)
        at += len(block) + sizes[end]
    code = b""
    for block, end in zip(blocks, ends, strict=True):
        code += block
        offset = rng.choice(starts) - len(code)
        if end == "branch":
            name = rng.choice(("beq", "bne", "blt", "bge", "bltu", "bgeu"))
            words = [encode(BY_MNEMONIC[name], rs1=rng.randrange(32), rs2=rng.randrange(32),
                            imm=max(-4096, min(offset, 4094)))]
            if not -4096 <= offset <= 4094:
                words = [encode(BY_MNEMONIC["addi"], rd=0, rs1=0, imm=0)]
        elif end == "jal":
            words = [encode(BY_MNEMONIC["jal"], rd=rng.choice((0, 1)), imm=offset)]
        elif end == "jalr":
            high = (offset + 0x800) >> 12 << 12
            words = [encode(BY_MNEMONIC["auipc"], rd=7, imm=high), encode(BY_MNEMONIC["addi"], rd=7, rs1=7, imm=0),
                     encode(BY_MNEMONIC["jalr"], rd=rng.choice((0, 1)), rs1=7, imm=offset - high)]
        else:
            words = []
        code += b"".join(word.to_bytes(4, "little") for word in words)
    return code, starts


def _tables(user: bool) -> bytes:
    """Return page tables at ROOT that map 2 MiB of RAM to themselves; A and D are clear."""
    pages = bytearray(3 * 4096)
    struct.pack_into("<Q", pages, 8 * 2, (ROOT + 4096) >> 2 | 1)
    struct.pack_into("<Q", pages, 4096, (ROOT + 8192) >> 2 | 1)
    for i in range(512):
        struct.pack_into("<Q", pages, 8192 + 8 * i, (RAM + 4096 * i) >> 2 | (0x1F if user else 0x0F))
    return bytes(pages)


class Machine:
    """The machine of a world, at its beginning. `tier`: what executes it."""

    #: Where the code begins, and where the memory ends that is compared.
    start, end = CODE, CODE + 0x2000

    def __init__(self, world: World, tier: str | None = None) -> None:
        install()
        self.world = world
        rng = Random(f"{world.seed} {world.mode} {world.harts}")
        self.core = core = Core(world.harts, Isa.default().mask, tier=tier)
        core.add_ram(RAM, RAM_SIZE)
        self.clint = Clint(core.clock, [core.pins(i) for i in range(world.harts)])
        core.attach(CLINT, self.clint)
        self.code, starts = self.make_code(rng)
        core.memory.write(self.start, self.code)
        core.memory.write(BLOCKS, struct.pack(f"<{NBLOCKS}Q", *(self.start + start for start in starts)))
        core.memory.write(HANDLER, _handler(world.mode, world.fenced))
        core.memory.write(ROOT, _tables(world.mode == "user"))
        core.memory.write(WINDOW - 4096, rng.randbytes(8192))
        low, _ = _MODES[world.mode]
        for hart in range(world.harts):
            self._begin(hart, rng, low, world.mode in ("supervisor", "user"))

    def make_code(self, rng: Random) -> tuple[bytes, list[int]]:
        """Return the code and where its blocks begin."""
        return tangle(rng, self.world.reserving, trouble)

    def _begin(self, hart: int, rng: Random, priv: int, paged: bool) -> None:
        core, saved = self.core, SAVED + 64 * hart
        core.memory.write(saved, struct.pack("<6Q", 0, 0, rng.getrandbits(64), MTIME, MTIMECMP + 8 * hart, BLOCKS))
        for csr, value in (
            ("pmpaddr0", 2**54 - 1), ("pmpcfg0", 0x1F), ("mtvec", HANDLER), ("mscratch", saved), ("mie", MSIE | MTIE),
            ("mstatus", FS | 1 << 3), ("mcounteren", 7), ("scounteren", 7), ("menvcfg", 1 << 61 | 1 << 63 | 0xF0),
            ("senvcfg", 0xF0), ("satp", 8 << 60 | ROOT >> 12 if paged else 0),
        ):  # fmt: skip
            core.csr_write(hart, csr_number(csr), value)
        for number in range(1, 32):
            core.set_x(hart, number, rng.getrandbits(64) >> rng.randrange(64))
        core.set_x(hart, cases.BASE, WINDOW)
        for number in range(32):
            core.set_f(hart, number, rng.getrandbits(64))
        core.set_priv(hart, priv)
        core.set_pc(hart, self.start)
        self.clint.write(0x4000 + 8 * hart, 8, 3 + hart)

    def state(self) -> dict[str, object]:
        """Return everything that the guest, or anybody else, can see."""
        core = self.core
        found: dict[str, object] = {"now": core.now_ns, "clint": self.clint.save()}
        for hart in range(core.nharts):
            found[f"pc {hart}"] = core.pc(hart)
            found[f"priv {hart}"] = core.priv(hart)
            found[f"icount {hart}"] = core.icount(hart)
            found[f"waiting {hart}"] = core.hart_waiting(hart)
            for number in range(32):
                found[f"x{number} {hart}"] = core.x(hart, number)
                found[f"f{number} {hart}"] = core.f(hart, number)
            for number in COMPARED:
                found[f"csr {number:#x} {hart}"] = core.csr_read(hart, number)
        for base in range(RAM, self.end, 0x1000):
            found[f"memory {base:#x}"] = core.memory.read(base, 0x1000)
        return found

    def close(self) -> None:
        """Give the memory back."""
        self.core.close()
