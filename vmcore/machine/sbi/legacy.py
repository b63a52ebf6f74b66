"""The legacy extensions 0 to 8 (SBI chapter 5): the extension is the function, and only a0 is answered."""

from __future__ import annotations

from vmcore.errors import VmError
from vmcore.machine.sbi.ipi import Ipi
from vmcore.machine.sbi.rfence import MOST_ASID, Rfence
from vmcore.machine.sbi.timer import Timer
from vmcore.machine.sbi.words import FAILED, INVALID_ADDRESS, INVALID_PARAM, SUCCESS, Args, Firmware, ResetRequest

__all__ = ["LAST_LEGACY", "Legacy"]

LAST_LEGACY = 8


class Legacy:
    """Extensions 0 to 8."""

    def __init__(self, firmware: Firmware, timer: Timer, ipi: Ipi, rfence: Rfence) -> None:
        self._firmware = firmware
        self._timer = timer
        self._ipi = ipi
        self._rfence = rfence

    def _targets(self, hart: int, gva: int) -> list[int] | None:
        """Read the hart mask that the guest points to by a virtual address; 0 means all harts."""
        nharts = self._firmware.nharts
        if gva == 0:
            return list(range(nharts))
        try:
            mask = int.from_bytes(self._firmware.core.read_virt(hart, gva, 8), "little")
        except VmError:
            return None
        return [target for target in range(nharts) if mask >> target & 1]

    def call(self, hart: int, eid: int, args: Args) -> int | None:
        """Serve one call; None when it does not return."""
        if eid == 0:
            self._timer.set_timer(hart, args[0])
        elif eid == 1:
            self._firmware.console.put(bytes((args[0] & 0xFF,)))
        elif eid == 2:
            typed = self._firmware.console.get(1)
            return typed[0] if typed else FAILED
        elif eid == 3:
            self._ipi.clear(hart)
        elif eid == LAST_LEGACY:
            self._firmware.reset = ResetRequest(0, 0)
            return None
        else:
            return self._on_others(hart, eid, args)
        return SUCCESS

    def _on_others(self, hart: int, eid: int, args: Args) -> int:
        targets = self._targets(hart, args[0])
        if targets is None:
            return INVALID_ADDRESS
        if eid == 4:
            self._ipi.send(hart, targets)
        elif eid == 5:
            self._rfence.fence_i(hart, targets)
        elif eid == 7 and args[3] > MOST_ASID:
            return INVALID_PARAM
        elif not self._rfence.sfence_vma(hart, targets, args[1], args[2], args[3] if eid == 7 else None):
            return INVALID_ADDRESS
        return SUCCESS
