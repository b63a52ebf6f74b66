"""How a console lets its machine run."""

from __future__ import annotations

from typing import Protocol
from weakref import ref

from vmcore._fast.run import Core
from vmcore._fast.stop import Stop
from vmcore.errors import ClosedError
from vmcore.machine.stop import StopReason

__all__ = ["Drivable", "Drive"]


class Drivable(Protocol):
    """What of a machine a console uses."""

    @property
    def core(self) -> Core:
        """The compiled core."""

    def run_to(self, until_ns: int) -> Stop:
        """Run until virtual time `until_ns`, or until something else ends the run."""

    def look_at_consoles(self) -> None:
        """Let runs look at the consoles until all that was typed is out."""


class Drive:
    """Lets a console run the machine, without keeping it alive."""

    def __init__(self, machine: Drivable) -> None:
        self._machine = ref(machine)

    def _get(self) -> Drivable:
        machine = self._machine()
        if machine is None:
            raise ClosedError("the console's machine is gone")
        return machine

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return self._get().core.now_ns

    def hold(self) -> None:
        """Let runs look at the consoles until all that was typed is out."""
        self._get().look_at_consoles()

    def drive(self, until_ns: int, /) -> str | None:
        """Run until virtual time `until_ns`; returns why the guest cannot go on."""
        stop = self._get().run_to(until_ns)
        if stop.reason is StopReason.TIMEOUT:
            return None
        if stop.reason is StopReason.IDLE:
            return "every hart waits and nothing will wake one,"
        if stop.reason in (StopReason.POWEROFF, StopReason.EXIT, StopReason.REBOOT):
            return f"the guest ended ({stop.reason}, code {stop.code})"
        return f"the machine stopped ({stop!r})"
