"""A POSIX shell on a console: log in, run commands, get their output and status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmcore.errors import ConsoleError, GuestTimeout

if TYPE_CHECKING:
    from vmcore.machine.console.console import Console

__all__ = ["Result", "Shell", "log_in"]

_LOGIN = re.compile(rb"login: ?\Z")
_PASSWORD = re.compile(rb"[Pp]assword: ?\Z")
_ENTER = re.compile(rb"[Pp]ress (?:the )?Enter")
# A prompt is what a line ends with when nothing follows; busybox asks the terminal for its cursor behind it.
_PROMPT = re.compile(rb"(?:\A|[\r\n])[^\r\n]*[#$] ?(?:\x1b\[[0-9;?]*[a-zA-Z])*\Z")
_REFUSED = re.compile(rb"[Ll]ogin incorrect|Authentication failure")
# A guest that says nothing this long may be waiting for a key.
QUIET = 8.0
PROBE = 5.0
# What looks like a prompt and is followed by more was the middle of a message.
SETTLE = 0.25


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did.

    Attributes
    ----------
    stdout : str
        What it showed, both of its outputs as the terminal mixed them, with plain line ends.
    status : int
        Its exit status.
    """

    stdout: str
    status: int

    @property
    def ok(self) -> bool:
        """bool: whether the status is 0."""
        return self.status == 0


class Shell:
    """A shell that answers on a console.

    Commands run in the shell itself, one after the other, so ``cd`` and variables last. Output is taken between two
    marks that the shell prints: neither echo nor prompt nor line editing can be mistaken for it.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._serial = 0

    def run(self, command: str, timeout: float = 60.0) -> Result:
        """Run a command and wait for its end.

        Parameters
        ----------
        command : str
            One or more lines of shell.
        timeout : float
            Virtual seconds.

        Returns
        -------
        Result

        Raises
        ------
        GuestTimeout
            It did not end in time, or the shell did not understand it. The message ends with the console's last lines.
        ConsoleError
            The guest ended while it ran.
        """
        self._serial += 1
        mark = f"ore-{self._serial}"
        # The marks are put together by printf, so the echo of this line does not hold them. The braces make the shell
        # read all of it before it runs any of it: the command's standard input cannot take the rest.
        self.console.write(
            f"printf 'vmc%s\\n' {mark}-begin; {{ {command}\n}}; printf '\\nvmc%s %d\\n' {mark}-end $?\r".replace(
                "\n", "\r"
            )
        )
        deadline = self.console.now + timeout
        self.console.expect(re.compile(rf"vmc{mark}-begin\r*\n"), timeout)
        match = self.console.expect(
            re.compile(rf"\r*\nvmc{mark}-end (\d+)\r*\n"), max(0.0, deadline - self.console.now)
        )
        return Result(match.before.replace("\r", ""), int(match.groups[0]))

    def __repr__(self) -> str:
        return f"<Shell on {self.console.name}, {self._serial} commands run>"


def log_in(console: Console, user: str, password: str | None, timeout: float) -> Shell:
    """Answer prompts until a shell answers; see :meth:`Console.login`."""
    deadline = console.now + timeout
    asked = 0
    while True:
        left = deadline - console.now
        try:
            match = console.expect([_LOGIN, _PASSWORD, _ENTER, _REFUSED, _PROMPT], min(QUIET, max(left, 0.0)))
        except GuestTimeout:
            if left <= QUIET:
                raise console.error(GuestTimeout, f"no login and no shell in {timeout:g} virtual seconds") from None
            # Perhaps the prompt was read before: a return key brings it again.
            console.write("\r")
            continue
        if match.index == 0:
            asked += 1
            if asked > 3:
                raise ConsoleError(f"{console.name}: the login as {user!r} was asked for again and again")
            console.send(user)
        elif match.index == 1:
            if password is None:
                raise ConsoleError(
                    f"{console.name}: the guest asks {user!r} for a password", hint="Give login(user, password)"
                )
            console.send(password)
        elif match.index == 2:
            console.write("\r")
        elif match.index == 3:
            raise ConsoleError(f"{console.name}: the guest refused the login as {user!r}: {match.text}")
        elif console.is_quiet(SETTLE):
            shell = Shell(console)
            try:
                # What looked like a prompt may have been the end of a message. The kernel's own messages would
                # stand in the middle of outputs: keep them off the console.
                shell.run("dmesg -n 1 2>/dev/null || true", min(PROBE, max(deadline - console.now, 0.0)))
            except GuestTimeout:
                if console.now >= deadline:
                    raise
                # Leave whatever took the line for an unfinished one.
                console.write("\x03")
                continue
            return shell
