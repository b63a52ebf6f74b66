"""DBCN: the debug console (SBI chapter 12)."""

from __future__ import annotations

from vmcore.machine.sbi.words import INVALID_PARAM, NOT_SUPPORTED, SUCCESS, Args, Firmware, Reply

__all__ = ["DebugConsole"]

# A call may do less than it is asked for; a bound keeps a call short whatever the guest asks.
MOST_BYTES = 1 << 16


class DebugConsole:
    """Extension 0x4442434E."""

    eid = 0x4442_434E

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call."""
        firmware = self._firmware
        if fid == 2:
            firmware.console.put(bytes((args[0] & 0xFF,)))
            return SUCCESS, 0
        if fid > 2:
            return NOT_SUPPORTED, 0
        size, address, high = args[:3]
        if high or not firmware.is_ram(address, size):
            return INVALID_PARAM, 0
        if not size:
            return SUCCESS, 0
        if fid == 0:
            data = firmware.core.memory.read(address, min(size, MOST_BYTES))
            firmware.console.put(data)
            return SUCCESS, len(data)
        data = firmware.console.get(min(size, MOST_BYTES))
        if data:
            firmware.core.memory.write(address, data)
        return SUCCESS, len(data)
