"""SRST: shutdown and reboot (SBI chapter 10)."""

from __future__ import annotations

from vmcore.machine.sbi.words import INVALID_PARAM, NOT_SUPPORTED, Args, Firmware, Reply, ResetRequest

__all__ = ["SystemReset"]

KINDS = 3
REASONS = 2
VENDOR = 0xF000_0000


class SystemReset:
    """Extension 0x53525354."""

    eid = 0x5352_5354

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call; a valid one does not return to the guest."""
        if fid:
            return NOT_SUPPORTED, 0
        # Both are 32 bits wide: what stands above is not looked at.
        kind, reason = args[0] & 0xFFFF_FFFF, args[1] & 0xFFFF_FFFF
        if kind >= KINDS:
            return (NOT_SUPPORTED if kind >= VENDOR else INVALID_PARAM), 0
        if REASONS <= reason < 0xE000_0000:
            return INVALID_PARAM, 0
        self._firmware.reset = ResetRequest(kind, reason)
        return None
