"""Guests that mean harm, in machine code: small programs that work through a table of bad ideas."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from vmcore import Machine
from vmcore._fast.stop import Stop
from vmcore.isa.riscv.assemble import encode
from vmcore.isa.riscv.table import BY_MNEMONIC

DRAM = 0x8000_0000
RA, T0, T1, T2, S0, S1, A0, A1, A7 = 1, 5, 6, 7, 8, 9, 10, 11, 17
MTVEC, MEPC, MSTATUS, SATP = 0x305, 0x341, 0x300, 0x180
M64 = (1 << 64) - 1
# Seconds of the host: no test here takes one, so that a run ended by it has hung.
HANG = 100.0
ENDS = ("budget", "idle", "poweroff", "reboot", "exit", "hook")

STUBS, HANDLER, TABLE = 0x400, 0x300, 0x1000


def code(*words: int) -> bytes:
    return b"".join(struct.pack("<I", word) for word in words)


def op(mnemonic: str, **operands: int) -> int:
    return encode(BY_MNEMONIC[mnemonic], **operands)


NOP = op("addi")
SPIN = op("jal")


def _stubs() -> dict[str, int]:
    """What a program can do to the address in a0 with the value in a1; the answer is in a1."""
    stubs = {}
    for name in ("lb", "lbu", "lh", "lhu", "lw", "lwu", "ld"):
        stubs[name] = op(name, rd=A1, rs1=A0)
    for name in ("flh", "flw", "fld"):
        stubs[name] = op(name, rd=1, rs1=A0)
    for name in ("sb", "sh", "sw", "sd", "fsh", "fsw", "fsd"):
        stubs[name] = op(name, rs1=A0, rs2=A1)
    for name in ("lr.w", "lr.d"):
        stubs[name] = op(name, rd=A1, rs1=A0)
    for name in ("sc.w", "sc.d", "amoadd.w", "amoswap.d", "amomaxu.d", "amoadd.b", "amoxor.h", "amocas.w", "amocas.d"):
        stubs[name] = op(name, rd=A1, rs1=A0, rs2=A1)
    stubs["amocas.q"] = op("amocas.q", rd=12, rs1=A0, rs2=14)
    for name in ("cbo.zero", "cbo.clean", "cbo.flush", "cbo.inval", "prefetch.r"):
        stubs[name] = op(name, rs1=A0)
    stubs["execute"] = op("jalr", rs1=A0)
    stubs["satp"] = op("csrrw", rs1=A1, imm=SATP)
    stubs["mstatus"] = op("csrrw", rs1=A1, imm=MSTATUS)
    stubs["sfence"] = op("sfence.vma", rs1=A0)
    return stubs


ACTS = _stubs()
LOADS = ("lb", "lbu", "lh", "lhu", "lw", "lwu", "ld", "flh", "flw", "fld")
STORES = ("sb", "sh", "sw", "sd", "fsh", "fsw", "fsd")
ATOMICS = ("lr.w", "lr.d", "sc.w", "sc.d", "amoadd.w", "amoswap.d", "amomaxu.d", "amoadd.b", "amoxor.h", "amocas.w",
           "amocas.d", "amocas.q")
CACHE = ("cbo.zero", "cbo.clean", "cbo.flush", "cbo.inval", "prefetch.r")


@dataclass(frozen=True)
class Act:
    """One row of the table: do `act` at `address` with `value`."""

    act: str
    address: int
    value: int = 0


def write_acts(vm: Machine, acts: Sequence[Act], base: int = DRAM) -> None:
    """Put the program and its table at `base` and hart 0 before it, in M-mode.

    For each row it calls the stub of the act; a trap of whatever kind ends the stub. What the act answered is in the
    row. After the last row it stays where it is.
    """
    at = {}
    stubs = b""
    for name, word in ACTS.items():
        at[name] = base + STUBS + len(stubs)
        stubs += code(word, op("jalr", rs1=RA))
    assert STUBS + len(stubs) <= TABLE
    program = code(
        op("ld", rd=A0, rs1=S0, imm=0),
        op("ld", rd=A1, rs1=S0, imm=8),
        op("ld", rd=T0, rs1=S0, imm=16),
        op("jalr", rd=RA, rs1=T0),
        op("sd", rs1=S0, rs2=A1, imm=8),
        op("addi", rd=S0, rs1=S0, imm=24),
        op("bne", rs1=S0, rs2=S1, imm=-24),
        SPIN,
    )
    # The trap's handler returns where the stub would.
    handler = code(op("csrrw", rs1=RA, imm=MEPC), op("mret"))
    table = b"".join(struct.pack("<QQQ", a.address & M64, a.value & M64, at[a.act]) for a in acts)
    vm.phys.write(base, program)
    vm.phys.write(base + HANDLER, handler)
    vm.phys.write(base + STUBS, stubs)
    vm.phys.write(base + TABLE, table)
    vm.x[S0], vm.x[S1] = base + TABLE, base + TABLE + len(table)
    vm.core.csr_write(0, MTVEC, base + HANDLER)
    vm.core.csr_write(0, MSTATUS, 3 << 13 | 3 << 11)  # floating point on; a return from a trap stays in M-mode
    vm.pc = base


def answers(vm: Machine, count: int, base: int = DRAM) -> list[int]:
    """Return what the acts answered."""
    data = vm.phys.read(base + TABLE, 24 * count)
    return [struct.unpack_from("<Q", data, 24 * i + 8)[0] for i in range(count)]


def run(vm: Machine, max_insns: int) -> Stop:
    """Run that many instructions at most; the run must end, for a reason that a guest can cause."""
    before = vm.core.icount()
    stop = vm.run(max_insns=max_insns, watchdog=HANG)
    assert stop.reason in ENDS, stop
    assert vm.core.icount() - before <= max_insns
    return stop


def do(vm: Machine, acts: Sequence[Act], base: int = DRAM) -> list[int]:
    """Let the guest do all of it and return the answers; only for acts that leave the program itself alone."""
    write_acts(vm, acts, base)
    run(vm, 40 * len(acts) + 100)
    assert vm.x[S0] == vm.x[S1], "the guest did not get through its table"
    return answers(vm, len(acts), base)


def interesting(rng: Random, ram: int = 1 << 20) -> int:
    """Return a 64-bit number of the kind that breaks things."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.getrandbits(64)
    if kind == 1:
        return rng.choice((0, 1, M64, M64 - 1, 1 << 63, (1 << 63) - 1, 1 << 31, 0xFFFF_FFFF, 1 << 32, 1 << 55))
    if kind == 2:
        return 1 << rng.randrange(64)
    if kind == 3:
        return rng.getrandbits(rng.randrange(1, 33))
    if kind == 4:
        return DRAM + rng.randrange(ram)
    if kind == 5:
        return (DRAM + ram + rng.randrange(-64, 64)) & M64
    if kind == 6:
        return rng.randrange(256)
    return (-rng.randrange(1, 4096)) & M64


def resident() -> int:
    """Return this process's resident memory in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@contextmanager
def bounded(most: int) -> Iterator[None]:
    """The host's memory grows by no more than `most` bytes inside."""
    before = resident()
    yield
    grown = resident() - before
    assert grown <= most, f"the process grew by {grown >> 20} MiB"


def chunks(items: Sequence[Act], size: int) -> Iterable[Sequence[Act]]:
    for i in range(0, len(items), size):
        yield items[i : i + size]
