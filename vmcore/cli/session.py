"""A machine at the terminal: what the guest says goes to stdout, what is typed (or piped in) goes to the guest."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from vmcore.cli.output import note
from vmcore.cli.terminal import HELP, Escape, RawTerminal, Reader, write_all

if TYPE_CHECKING:
    from vmcore import Machine, Stop

__all__ = ["LIMIT_STATUS", "is_interactive", "report", "talk"]

LIMIT_STATUS = 124
"""The exit status when the guest did not end by itself, as that of timeout(1)."""

# What waits for the guest to take it; beyond that the input is left where it is.
MOST_UNSENT = 1 << 16

_WHY = {
    "budget": "the limit of instructions is reached",
    "timeout": "the limit of time is reached",
    "idle": "every hart waits and nothing will wake one",
}


def is_interactive() -> bool:
    """Return whether a person sits at stdin."""
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):
        # Closed, or none at all.
        return False


def talk(vm: Machine, *, listen: bool = True) -> Stop | None:
    """Run `vm` with its console on this process's stdin and stdout until it ends.

    Parameters
    ----------
    vm : Machine
        The machine.
    listen : bool
        Whether stdin goes to the guest.

    Returns
    -------
    Stop or None
        Why it ended; None when the user quit with Ctrl-A x.
    """
    interactive = listen and is_interactive()
    escape = Escape()
    with contextlib.ExitStack() as stack:
        stack.callback(vm.console.on_output(write_all))
        descriptor = _input(stack, listen)
        if interactive:
            stack.enter_context(RawTerminal(descriptor))
        reader = stack.enter_context(Reader(descriptor, vm.stop))
        while True:
            stop = vm.run()
            # What was said has been shown and need not be kept.
            vm.console.read_bytes()
            if stop.reason == "idle":
                # No timer will ever fire: only a key can change that.
                typed = reader.wait()
                if not typed and reader.ended:
                    return stop
            elif stop.reason == "stopped":
                typed = reader.take() if vm.console.unsent < MOST_UNSENT else b""
            else:
                return stop
            if interactive:
                typed, commands = escape.feed(typed)
                if "h" in commands:
                    write_all(b"\r\n" + HELP.encode() + b"\r\n")
                if "x" in commands:
                    write_all(b"\r\n")
                    return None
            if typed:
                vm.console.write(typed)


def _input(stack: contextlib.ExitStack, listen: bool) -> int:
    """Return the descriptor that is read for the guest: stdin's, or one that is at its end."""
    if listen:
        try:
            return sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            # Closed, or no file at all.
            listen = False
    empty = os.open(os.devnull, os.O_RDONLY)
    stack.callback(os.close, empty)
    return empty


def report(vm: Machine, stop: Stop | None) -> int:
    """Return the exit status for the end of a guest; if it did not end by itself, say on stderr why and where."""
    if stop is None:
        return 0
    if stop.reason in ("poweroff", "exit"):
        # What a process can return is a byte; a failure must not turn into success.
        code = stop.code or 0
        return code if 0 <= code <= 255 else code & 0xFF or 1
    why = _WHY.get(stop.reason, f"stopped ({stop.reason})")
    where = f"hart {stop.hart} at {vm.symbols.describe(stop.pc)}"
    note(f"{why}: {where}, {stop.icount} instructions, {vm.now:.6f} s of guest time")
    return LIMIT_STATUS
