"""HSM: harts are started, stopped and suspended (SBI chapter 9)."""

from __future__ import annotations

from enum import IntEnum

from vmcore.machine.sbi.words import (
    ALREADY_AVAILABLE,
    INVALID_ADDRESS,
    INVALID_PARAM,
    NOT_SUPPORTED,
    SUCCESS,
    Args,
    Firmware,
    Reply,
)

__all__ = ["HartState", "HartStates"]

SUPERVISOR = 1
SATP, SSTATUS, STVEC = 0x180, 0x100, 0x105
SIE = 1 << 1
RETENTIVE, NON_RETENTIVE = 0, 0x8000_0000


class HartState(IntEnum):
    """The states that a query answers; the pending ones never last here."""

    STARTED = 0
    STOPPED = 1
    SUSPENDED = 4


class HartStates:
    """Extension 0x48534D.

    Suspending answers at once, which the specification allows: a suspended hart may resume for reasons of the
    platform's own. The guest's idle loop then falls back on WFI, which costs this machine nothing.
    """

    eid = 0x48_534D

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.states = [HartState.STOPPED] * firmware.nharts

    def restart(self, boot_hart: int) -> None:
        """Set the states of power-on: one hart runs."""
        self.states = [HartState.STOPPED] * self._firmware.nharts
        self.states[boot_hart] = HartState.STARTED

    def _enter(self, hart: int, address: int, opaque: int) -> None:
        core = self._firmware.core
        core.csr_write(hart, SATP, 0)
        core.csr_write(hart, SSTATUS, self._firmware.csr(hart, SSTATUS) & ~SIE)
        core.hart_start(hart, address, hart, opaque, SUPERVISOR)

    def call(self, hart: int, fid: int, args: Args) -> Reply:
        """Serve one call."""
        if fid == 0:
            return self._start(args[0], args[1], args[2]), 0
        if fid == 1:
            self.states[hart] = HartState.STOPPED
            self._firmware.core.hart_stop(hart)
            return None
        if fid == 2:
            if args[0] >= self._firmware.nharts:
                return INVALID_PARAM, 0
            return SUCCESS, int(self.states[args[0]])
        if fid == 3:
            return self._suspend(hart, args[0] & 0xFFFF_FFFF, args[1], args[2])
        return NOT_SUPPORTED, 0

    def _start(self, target: int, address: int, opaque: int) -> int:
        if target >= self._firmware.nharts:
            return INVALID_PARAM
        if self.states[target] is not HartState.STOPPED:
            return ALREADY_AVAILABLE
        if address & 1 or not self._firmware.is_ram(address, 2):
            return INVALID_ADDRESS
        self.states[target] = HartState.STARTED
        self._enter(target, address, opaque)
        return SUCCESS

    def _suspend(self, hart: int, kind: int, address: int, opaque: int) -> Reply:
        if kind == RETENTIVE:
            return SUCCESS, 0
        if kind == NON_RETENTIVE:
            if address & 1 or not self._firmware.is_ram(address, 2):
                return INVALID_ADDRESS, 0
            self._enter(hart, address, opaque)
            return None
        # Platform-specific kinds are valid to ask for, and none is here.
        if 0x1000_0000 <= kind < 0x8000_0000 or kind >= 0x9000_0000:
            return NOT_SUPPORTED, 0
        return INVALID_PARAM, 0
