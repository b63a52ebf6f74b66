"""The firmware as a whole: takes an ecall's registers, asks the extension, answers."""

from __future__ import annotations

from vmcore.machine.sbi.base import Base
from vmcore.machine.sbi.dbcn import DebugConsole
from vmcore.machine.sbi.hsm import HartStates
from vmcore.machine.sbi.ipi import Ipi
from vmcore.machine.sbi.legacy import LAST_LEGACY, Legacy
from vmcore.machine.sbi.pmu import Pmu
from vmcore.machine.sbi.rfence import Rfence
from vmcore.machine.sbi.srst import SystemReset
from vmcore.machine.sbi.timer import Timer
from vmcore.machine.sbi.words import MASK64, NOT_SUPPORTED, Extension, Firmware, ResetRequest

__all__ = ["SbiServer"]

A0, A1, A6, A7 = 10, 11, 16, 17


class SbiServer:
    """Serves the ecalls of supervisor mode. One thread only: the thread that runs the machine.

    Parameters
    ----------
    firmware : Firmware
        What the firmware may use of the machine.
    """

    def __init__(self, firmware: Firmware) -> None:
        self.firmware = firmware
        self.timer = Timer(firmware)
        self.harts = HartStates(firmware)
        ipi, rfence = Ipi(firmware), Rfence(firmware)
        self._pmu = Pmu(firmware)
        self._legacy = Legacy(firmware, self.timer, ipi, rfence)
        self._extensions: dict[int, Extension] = {}
        offered: set[int] = set(range(LAST_LEGACY + 1))
        for extension in (
            Base(firmware, offered),
            self.timer,
            ipi,
            rfence,
            self.harts,
            SystemReset(firmware),
            DebugConsole(firmware),
            self._pmu,
        ):
            self._extensions[extension.eid] = extension
            offered.add(extension.eid)

    def restart(self, boot_hart: int) -> None:
        """Set the state of power-on."""
        self.firmware.restart()
        self.harts.restart(boot_hart)
        self._pmu.restart()

    def serve(self, hart: int) -> ResetRequest | None:
        """Serve the call that `hart` made; returns what the guest asked of the whole machine, if it did.

        The hart's pc must already be behind the ecall. Only a0 and a1 change.
        """
        core = self.firmware.core
        eid = core.x(hart, A7)
        args = [core.x(hart, A0 + i) for i in range(6)]
        if eid <= LAST_LEGACY:
            answer = self._legacy.call(hart, eid, args)
            if answer is not None:
                core.set_x(hart, A0, answer & MASK64)
            return self.firmware.reset
        # An extension's number has 32 bits; compilers may sign-extend it.
        extension = self._extensions.get(eid & 0xFFFF_FFFF) if eid >> 32 in (0, 0xFFFF_FFFF) else None
        reply = (NOT_SUPPORTED, 0) if extension is None else extension.call(hart, core.x(hart, A6), args)
        if reply is not None:
            core.set_x(hart, A0, reply[0] & MASK64)
            core.set_x(hart, A1, reply[1] & MASK64)
        return self.firmware.reset
