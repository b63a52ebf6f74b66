"""TIME: the supervisor's timer (SBI chapter 6)."""

from __future__ import annotations

from vmcore.machine.sbi.words import MASK64, NOT_SUPPORTED, SUCCESS, Args, Firmware, Reply

__all__ = ["Timer"]

STIMECMP, MIP = 0x14D, 0x344
SEIP, STIP = 1 << 9, 1 << 5
EVENT_SET_TIMER = 5


class Timer:
    """Extension 0x54494D45."""

    eid = 0x5449_4D45

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware

    def set_timer(self, hart: int, ticks: int) -> None:
        """Make the timer interrupt of `hart` due at `ticks`, and clear one that is pending."""
        firmware = self._firmware
        firmware.events[hart][EVENT_SET_TIMER] += 1
        if firmware.sstc:
            firmware.core.csr_write(hart, STIMECMP, ticks)
            return
        firmware.deadlines[hart] = None if ticks == MASK64 else ticks
        self._pend(hart, False)

    def expire(self, now: int) -> None:
        """Raise the timer interrupts that are due at `now` ticks (harts without ``stimecmp``)."""
        for hart, due in enumerate(self._firmware.deadlines):
            if due is not None and due <= now:
                self._firmware.deadlines[hart] = None
                self._pend(hart, True)

    def _pend(self, hart: int, level: bool) -> None:
        # SEIP is left out: what a read shows of it is the PLIC's wire, which a write would make sticky.
        core = self._firmware.core
        pending = self._firmware.csr(hart, MIP) & ~(SEIP | STIP)
        core.csr_write(hart, MIP, pending | (STIP if level else 0))

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call."""
        if fid:
            return NOT_SUPPORTED, 0
        self.set_timer(hart, args[0])
        return SUCCESS, 0
