"""RFENCE: fences on other harts (SBI chapter 8)."""

from __future__ import annotations

from collections.abc import Iterable

from vmcore.machine.sbi.words import (
    INVALID_ADDRESS,
    INVALID_PARAM,
    MASK64,
    NOT_SUPPORTED,
    SUCCESS,
    Args,
    Firmware,
    Reply,
    harts_of_mask,
)

__all__ = ["Rfence"]

PAGE = 4096
# Above this many pages a whole flush is cheaper than one page at a time.
MOST_PAGES = 64
MOST_ASID = 0xFFFF


class Rfence:
    """Extension 0x52464E43; the hypervisor's fences are not offered."""

    eid = 0x5246_4E43

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware

    def fence_i(self, hart: int, targets: Iterable[int]) -> None:
        """Run ``fence.i`` on `targets`."""
        events = self._firmware.events
        for target in targets:
            events[hart][8] += 1
            events[target][9] += 1
        # The core keeps decoded code per physical page, shared by all harts: one fence serves them.
        self._firmware.core.fence_i()

    def sfence_vma(self, hart: int, targets: Iterable[int], start: int, size: int, asid: int | None) -> bool:
        """Run ``sfence.vma`` over a range on `targets`; False when the range passes the end of the address space."""
        whole = size == MASK64 or (start == 0 and size == 0)
        if not whole and start + size > MASK64 + 1:
            return False
        first = start & -PAGE
        pages = 0 if whole else (start + size - first + PAGE - 1) // PAGE
        core, events = self._firmware.core, self._firmware.events
        sent = 10 if asid is None else 12
        for target in targets:
            events[hart][sent] += 1
            events[target][sent + 1] += 1
            if whole or pages > MOST_PAGES:
                core.flush_tlb(target, None, asid)
            else:
                for page in range(pages):
                    core.flush_tlb(target, first + page * PAGE, asid)
        return True

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call."""
        if fid > 2:
            return NOT_SUPPORTED, 0
        targets = harts_of_mask(args[0], args[1], self._firmware.nharts)
        if targets is None or (fid == 2 and args[4] > MOST_ASID):
            return INVALID_PARAM, 0
        if fid == 0:
            self.fence_i(hart, targets)
            return SUCCESS, 0
        done = self.sfence_vma(hart, targets, args[2], args[3], args[4] if fid == 2 else None)
        return (SUCCESS if done else INVALID_ADDRESS), 0
