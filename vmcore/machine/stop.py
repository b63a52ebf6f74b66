"""The reasons for which a run ends."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["StopReason"]


class StopReason(StrEnum):
    """Why :meth:`Machine.run` returned. Each compares equal to its name in lower case.

    Attributes
    ----------
    BUDGET
        ``max_insns`` instructions were attempted.
    UNTIL
        The address or symbol given as ``until`` is reached.
    BREAKPOINT
        A breakpoint is reached.
    HOOK
        A hook's callback asked for it.
    STOPPED
        :meth:`Machine.stop` was called.
    TIMEOUT
        ``timeout`` virtual seconds have passed.
    WATCHDOG
        ``watchdog`` seconds have passed on the host's clock.
    IDLE
        Every hart waits for an interrupt, and nothing in the machine will ever send one.
    POWEROFF
        The guest switched the machine off; :attr:`Stop.code` is its status.
    REBOOT
        The guest asked for a reboot, and the machine was built with ``reboot="stop"``.
    EXIT
        The program ended through HTIF; :attr:`Stop.code` is its status.
    """

    BUDGET = "budget"
    UNTIL = "until"
    BREAKPOINT = "breakpoint"
    HOOK = "hook"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    WATCHDOG = "watchdog"
    IDLE = "idle"
    POWEROFF = "poweroff"
    REBOOT = "reboot"
    EXIT = "exit"
