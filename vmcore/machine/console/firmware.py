"""The console of firmware and of HTIF programs: output goes to the script's console, input comes from the UART."""

from __future__ import annotations

from vmcore._fast.dev.uart import Uart
from vmcore.machine.console.console import Console

__all__ = ["FirmwareConsole"]

RECEIVE, LINE_STATUS = 0, 5
DATA_READY = 1


class FirmwareConsole:
    """What SBI and HTIF print to and read from.

    Output does not pass through the UART: its registers may be in any state, since the guest owns them. Input does,
    as any firmware polls it, so it cannot overtake what was typed before.
    """

    def __init__(self, uart: Uart, console: Console) -> None:
        self._uart = uart
        self._console = console

    def put(self, data: bytes, /) -> None:
        """Show `data`, after everything that the UART sent before."""
        self._console.pump()
        self._console.take_in(data)

    def get(self, most: int, /) -> bytes:
        """Return up to `most` bytes that were typed, or nothing."""
        self._console.pump()
        uart = self._uart
        data = bytearray()
        while len(data) < most and uart.read(LINE_STATUS, 1) & DATA_READY:
            data.append(uart.read(RECEIVE, 1) & 0xFF)
        return bytes(data)
