"""BASE: who the firmware is and what it offers (SBI chapter 4)."""

from __future__ import annotations

from collections.abc import Container

from vmcore.machine.sbi.words import NOT_SUPPORTED, SUCCESS, Args, Firmware, Reply

__all__ = ["Base"]

SPEC_VERSION = 2 << 24
# Not in the register of implementations, so outside the range in use there: "vmc".
IMPL_ID = 0x76_6D63
IMPL_VERSION = 0x0001_0000
MVENDORID, MARCHID, MIMPID = 0xF11, 0xF12, 0xF13


class Base:
    """Extension 0x10.

    Parameters
    ----------
    firmware : Firmware
        The shared state.
    offered : container of int
        The extensions that a probe finds.
    """

    eid = 0x10

    def __init__(self, firmware: Firmware, offered: Container[int]) -> None:
        self._firmware = firmware
        self._offered = offered

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call."""
        if fid == 0:
            return SUCCESS, SPEC_VERSION
        if fid == 1:
            return SUCCESS, IMPL_ID
        if fid == 2:
            return SUCCESS, IMPL_VERSION
        if fid == 3:
            return SUCCESS, int(args[0] in self._offered)
        if fid in (4, 5, 6):
            return SUCCESS, self._firmware.csr(hart, (MVENDORID, MARCHID, MIMPID)[fid - 4])
        return NOT_SUPPORTED, 0
