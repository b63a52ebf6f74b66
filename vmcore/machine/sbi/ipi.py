"""IPI: one hart interrupts others (SBI chapter 7)."""

from __future__ import annotations

from collections.abc import Iterable

from vmcore.machine.sbi.words import INVALID_PARAM, NOT_SUPPORTED, SUCCESS, Args, Firmware, Reply, harts_of_mask

__all__ = ["Ipi"]

MIP = 0x344
SEIP, SSIP = 1 << 9, 1 << 1
EVENT_SENT, EVENT_RECEIVED = 6, 7


class Ipi:
    """Extension 0x735049."""

    eid = 0x73_5049

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware

    def send(self, hart: int, targets: Iterable[int]) -> None:
        """Make the software interrupt of `targets` pending."""
        core, events = self._firmware.core, self._firmware.events
        for target in targets:
            # Not by writing mip: the target may be running.
            core.hart_interrupt(target)
            events[hart][EVENT_SENT] += 1
            events[target][EVENT_RECEIVED] += 1

    def clear(self, hart: int) -> None:
        """Clear the software interrupt of `hart`."""
        core = self._firmware.core
        # SEIP is left out: what a read shows of it is the PLIC's wire, which a write would make sticky.
        core.csr_write(hart, MIP, self._firmware.csr(hart, MIP) & ~(SEIP | SSIP))

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call."""
        if fid:
            return NOT_SUPPORTED, 0
        targets = harts_of_mask(args[0], args[1], self._firmware.nharts)
        if targets is None:
            return INVALID_PARAM, 0
        self.send(hart, targets)
        return SUCCESS, 0
