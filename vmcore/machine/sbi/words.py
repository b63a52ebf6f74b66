"""What every SBI extension speaks: error codes, the shape of an extension, and what it may do to the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "ALREADY_AVAILABLE",
    "ALREADY_STARTED",
    "ALREADY_STOPPED",
    "DENIED",
    "FAILED",
    "INVALID_ADDRESS",
    "INVALID_PARAM",
    "MASK64",
    "NOT_SUPPORTED",
    "NO_SHMEM",
    "SUCCESS",
    "Args",
    "Extension",
    "Firmware",
    "Reply",
    "ResetRequest",
    "SbiConsole",
    "SbiCore",
    "SbiMemory",
    "harts_of_mask",
]

SUCCESS = 0
FAILED = -1
NOT_SUPPORTED = -2
INVALID_PARAM = -3
DENIED = -4
INVALID_ADDRESS = -5
ALREADY_AVAILABLE = -6
ALREADY_STARTED = -7
ALREADY_STOPPED = -8
NO_SHMEM = -9

MASK64 = (1 << 64) - 1

Args = Sequence[int]
"""a0 to a5 of the call, unsigned."""

Reply = tuple[int, int] | None
"""Error and value for a0 and a1; None when the caller does not go on (it was stopped, or the machine was)."""


class SbiMemory(Protocol):
    """Physical memory, RAM only."""

    def read(self, gpa: int, n: int, /) -> bytes:
        """Read `n` bytes."""

    def write(self, gpa: int, data: bytes, /) -> None:
        """Write `data`."""


class SbiCore(Protocol):
    """What of the compiled core the firmware uses."""

    @property
    def memory(self) -> SbiMemory:
        """Physical memory."""

    def x(self, hart: int, index: int, /) -> int:
        """Read an integer register."""

    def set_x(self, hart: int, index: int, value: int, /) -> None:
        """Write an integer register."""

    def csr_read(self, hart: int, number: int, /) -> int | None:
        """Read a CSR as a debugger does; None where there is none."""

    def csr_write(self, hart: int, number: int, value: int, /) -> bool:
        """Write a CSR as a debugger does; False where there is none."""

    def read_virt(self, hart: int, gva: int, n: int, /) -> bytes:
        """Read the hart's virtual memory."""

    def hart_start(self, hart: int, pc: int, a0: int, a1: int, priv: int, /) -> None:
        """Let a stopped hart run."""

    def hart_interrupt(self, hart: int, /) -> None:
        """Make a hart's supervisor software interrupt pending."""

    def hart_stop(self, hart: int, /) -> None:
        """Stop a hart."""

    def flush_tlb(self, hart: int, gva: int | None, asid: int | None, /) -> None:
        """Forget translations."""

    def fence_i(self) -> None:
        """Let every hart see stored code."""


class SbiConsole(Protocol):
    """Where the firmware's console goes."""

    def put(self, data: bytes, /) -> None:
        """Show `data`."""

    def get(self, most: int, /) -> bytes:
        """Return up to `most` bytes that were typed, or nothing."""


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """The guest asked for the end: kind 0 shutdown, 1 cold reboot, 2 warm reboot; reason 0 none, 1 failure."""

    kind: int
    reason: int


@dataclass(slots=True)
class Firmware:
    """What the extensions share.

    Attributes
    ----------
    core : SbiCore
        The machine's core.
    nharts : int
        How many harts there are.
    banks : sequence of (int, int)
        Start and size of each bank of memory.
    console : SbiConsole
        The firmware's console.
    sstc : bool
        Whether the harts have ``stimecmp``. Where not, :attr:`deadlines` hold the timers.
    deadlines : list of int or None
        For each hart, the time (in ticks) at which its timer interrupt is due.
    reset : ResetRequest or None
        Set when the guest asked for it.
    events : list of list of int
        For each hart, how often each firmware event happened (SBI chapter 11, firmware events).
    """

    core: SbiCore
    nharts: int
    banks: Sequence[tuple[int, int]]
    console: SbiConsole
    sstc: bool = True
    deadlines: list[int | None] = field(default_factory=list)
    reset: ResetRequest | None = None
    events: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything, as at power-on."""
        self.deadlines = [None] * self.nharts
        self.reset = None
        self.events = [[0] * 22 for _ in range(self.nharts)]

    def csr(self, hart: int, number: int) -> int:
        """Return a CSR; 0 where the hart has none."""
        return self.core.csr_read(hart, number) or 0

    def is_ram(self, gpa: int, size: int) -> bool:
        """Say whether `size` bytes at `gpa` are memory."""
        return any(base <= gpa and gpa + size <= base + length for base, length in self.banks)


class Extension(Protocol):
    """One SBI extension."""

    eid: int

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve function `fid` for `hart`."""


def harts_of_mask(mask: int, base: int, nharts: int) -> list[int] | None:
    """Return the harts that a mask and its base name, or None when one of them does not exist.

    A base of -1 means all harts (SBI 3.1, hart list parameter).
    """
    if base == MASK64:
        return list(range(nharts))
    if base >= nharts or (mask << base) >> nharts:
        return None
    return [base + bit for bit in range(nharts - base) if mask >> bit & 1]
