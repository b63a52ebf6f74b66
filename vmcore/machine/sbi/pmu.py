"""PMU: performance counters (SBI chapter 11): cycles, instructions, and the firmware's own events."""

from __future__ import annotations

from vmcore.machine.sbi.words import (
    ALREADY_STARTED,
    ALREADY_STOPPED,
    INVALID_PARAM,
    NO_SHMEM,
    NOT_SUPPORTED,
    SUCCESS,
    Args,
    Firmware,
    Reply,
)

__all__ = ["Pmu"]

MCYCLE, MINSTRET, MCOUNTINHIBIT = 0xB00, 0xB02, 0x320
CYCLE, INSTRET = 0xC00, 0xC02
WIDTH_64 = 63 << 12
FIRMWARE_COUNTER = 1 << 63
# Hardware counters by index: (user CSR, machine CSR, bit of mcountinhibit, general hardware event).
FIXED = ((CYCLE, MCYCLE, 1, 1), (INSTRET, MINSTRET, 4, 2))
NUM_FIRMWARE = 16
NUM_COUNTERS = len(FIXED) + NUM_FIRMWARE
NUM_EVENTS = 22

CFG_SKIP_MATCH, CFG_CLEAR, CFG_START = 1, 2, 4
CFG_KNOWN = 0xFF
START_SET_VALUE, START_SNAPSHOT = 1, 2
STOP_RESET, STOP_SNAPSHOT = 1, 2
TYPE_GENERAL, TYPE_FIRMWARE = 0, 15


class _Counter:
    """A counter of one hart: what it counts and whether it does."""

    __slots__ = ("event", "held", "origin", "running")

    def __init__(self) -> None:
        self.event: int | None = None
        self.running = False
        self.held = 0
        self.origin = 0


class Pmu:
    """Extension 0x504D55."""

    eid = 0x50_4D55

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.restart()

    def restart(self) -> None:
        """Set the state of power-on: nothing is configured."""
        self._counters = [[_Counter() for _ in range(NUM_COUNTERS)] for _ in range(self._firmware.nharts)]

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call."""
        if fid == 0:
            return SUCCESS, NUM_COUNTERS
        if fid == 1:
            if args[0] >= NUM_COUNTERS:
                return INVALID_PARAM, 0
            return SUCCESS, (FIXED[args[0]][0] | WIDTH_64) if args[0] < len(FIXED) else FIRMWARE_COUNTER
        if fid == 2:
            return self._configure(hart, *args[:5])
        if fid == 3:
            return self._start(hart, *args[:4]), 0
        if fid == 4:
            return self._stop(hart, *args[:3]), 0
        if fid == 5:
            if not len(FIXED) <= args[0] < NUM_COUNTERS:
                return INVALID_PARAM, 0
            return SUCCESS, self._value(hart, args[0])
        if fid == 6:
            # The upper half, which only RV32 needs.
            return (SUCCESS if len(FIXED) <= args[0] < NUM_COUNTERS else INVALID_PARAM), 0
        return NOT_SUPPORTED, 0

    def _chosen(self, base: int, mask: int) -> list[int] | None:
        if base >= NUM_COUNTERS or (mask << base) >> NUM_COUNTERS or not mask:
            return None
        return [base + bit for bit in range(NUM_COUNTERS - base) if mask >> bit & 1]

    def _can_count(self, index: int, event: int) -> bool:
        kind, code = event >> 16 & 15, event & 0xFFFF
        if index < len(FIXED):
            return kind == TYPE_GENERAL and code == FIXED[index][3]
        return kind == TYPE_FIRMWARE and code < NUM_EVENTS

    def _configure(self, hart: int, base: int, mask: int, flags: int, event: int, _data: int) -> Reply:
        chosen = self._chosen(base, mask)
        if chosen is None or flags & ~CFG_KNOWN or event >> 20:
            return INVALID_PARAM, 0
        counters = self._counters[hart]
        if flags & CFG_SKIP_MATCH:
            index = chosen[0]
            if counters[index].event is None:
                return INVALID_PARAM, 0
        else:
            fitting = [i for i in chosen if self._can_count(i, event) and not counters[i].running]
            if not fitting:
                return NOT_SUPPORTED, 0
            # A counter that counts this event already goes before one that is free.
            index = min(fitting, key=lambda i: (counters[i].event not in (event, None), counters[i].event is None))
            counters[index].event = event
        if flags & CFG_CLEAR:
            self._set_value(hart, index, 0)
        if flags & CFG_START:
            self._run(hart, index, True)
        return SUCCESS, index

    def _start(self, hart: int, base: int, mask: int, flags: int, value: int) -> int:
        chosen = self._chosen(base, mask)
        if chosen is None or flags & ~(START_SET_VALUE | START_SNAPSHOT):
            return INVALID_PARAM
        if flags & START_SNAPSHOT:
            return NO_SHMEM
        status = SUCCESS
        for index in chosen:
            counter = self._counters[hart][index]
            if counter.event is None:
                return INVALID_PARAM
            if counter.running:
                status = ALREADY_STARTED
                continue
            if flags & START_SET_VALUE:
                self._set_value(hart, index, value)
            self._run(hart, index, True)
        return status

    def _stop(self, hart: int, base: int, mask: int, flags: int) -> int:
        chosen = self._chosen(base, mask)
        if chosen is None or flags & ~(STOP_RESET | STOP_SNAPSHOT):
            return INVALID_PARAM
        if flags & STOP_SNAPSHOT:
            return NO_SHMEM
        status = SUCCESS
        for index in chosen:
            counter = self._counters[hart][index]
            if not counter.running:
                status = ALREADY_STOPPED
            else:
                self._run(hart, index, False)
            if flags & STOP_RESET:
                counter.event = None
        return status

    def _total(self, hart: int, counter: _Counter) -> int:
        return self._firmware.events[hart][(counter.event or 0) & 0xFFFF]

    def _value(self, hart: int, index: int) -> int:
        counter = self._counters[hart][index]
        return counter.held + (self._total(hart, counter) - counter.origin if counter.running else 0)

    def _set_value(self, hart: int, index: int, value: int) -> None:
        if index < len(FIXED):
            self._firmware.core.csr_write(hart, FIXED[index][1], value)
            return
        counter = self._counters[hart][index]
        counter.held, counter.origin = value, self._total(hart, counter)

    def _run(self, hart: int, index: int, running: bool) -> None:
        counter = self._counters[hart][index]
        if index < len(FIXED):
            core, bit = self._firmware.core, FIXED[index][2]
            inhibited = self._firmware.csr(hart, MCOUNTINHIBIT)
            core.csr_write(hart, MCOUNTINHIBIT, inhibited & ~bit if running else inhibited | bit)
        elif running and not counter.running:
            counter.origin = self._total(hart, counter)
        elif not running:
            counter.held = self._value(hart, index)
        counter.running = running
