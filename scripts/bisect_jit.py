"""Find the rewrite of T2 that makes a command fail: bisects ``VMCORE_JIT_FUEL``.

    python scripts/bisect_jit.py -- vmcore run program.elf

The command fails by its exit status, or when it takes too long. It is run with fewer and more rewrites until the first
one is known with which it fails; what vmcore says of that rewrite is printed: its region, its step and its number.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

#: What vmcore says of the last rewrite.
SAID = "vmcore: JIT fuel used up: "
MOST = 2**63 - 1


class Hopeless(Exception):
    """The first bad rewrite cannot be found; the message says why."""


def first_bad(fails: Callable[[int], bool]) -> int:
    """Return the least number of rewrites with which something fails.

    Parameters
    ----------
    fails : callable
        Says whether it fails with that many rewrites.

    Raises
    ------
    Hopeless
        It fails without any rewrite, or with none, or not each time in the same way.
    """
    if fails(0):
        raise Hopeless("it fails without any rewrite, too: look at block code, or at what regions are made from")
    if not fails(MOST):
        raise Hopeless("it does not fail with all rewrites when regions are compiled on the machine's own thread")
    good, bad = 0, 1
    while not fails(bad):
        good, bad = bad, min(2 * bad, MOST)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fails(middle):
            bad = middle
        else:
            good = middle
    if fails(good) or not fails(bad):
        raise Hopeless(f"it does not fail in the same way each time: with {good} and {bad} rewrites it did once")
    return bad


class Command:
    """A command that is run with a limit.

    Parameters
    ----------
    words : list of str
        The command.
    timeout : float
        Seconds after which it has failed.
    say : callable
        Gets a line about each run.
    """

    def __init__(self, words: list[str], timeout: float, say: Callable[[str], None]) -> None:
        self.words = words
        self.timeout = timeout
        self.say = say
        self.errors: dict[int, str] = {}

    def fails(self, rewrites: int) -> bool:
        """Run it with that many rewrites and return whether it failed."""
        environment = os.environ | {"VMCORE_JIT_FUEL": str(rewrites)}
        try:
            done = subprocess.run(
                self.words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            errors, status = late.stderr or b"", "took too long"
            failed = True
        else:
            errors, status = done.stderr, f"status {done.returncode}"
            failed = done.returncode != 0
        self.errors[rewrites] = errors.decode("utf-8", "replace")
        self.say(f"{'all' if rewrites == MOST else rewrites} rewrites: {'bad' if failed else 'good'} ({status})")
        return failed

    def said(self, rewrites: int) -> list[str]:
        """Return what vmcore said of the last one of that many rewrites."""
        return [
            line.removeprefix(SAID) for line in self.errors.get(rewrites, "").splitlines() if line.startswith(SAID)
        ]


def main(arguments: list[str] | None = None) -> int:
    """Run the script; the exit status is 0 when a rewrite was found, else 1."""
    parser = argparse.ArgumentParser(description="Find the rewrite of T2 that makes a command fail.")
    parser.add_argument("--timeout", type=float, default=600, help="seconds after which it has failed (600)")
    parser.add_argument("--quiet", action="store_true", help="say nothing about each run")
    parser.add_argument("command", nargs="+", help="the command, behind --")
    given = parser.parse_args(arguments)
    command = Command(given.command, given.timeout, (lambda line: None) if given.quiet else print)
    try:
        found = first_bad(command.fails)
    except Hopeless as why:
        print(f"bisect_jit: {why}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"bisect_jit: {given.command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 1
    print(f"first bad: VMCORE_JIT_FUEL={found}")
    # (Nothing: the command keeps its standard error to itself.)
    for line in command.said(found) or ["what the command says on its standard error is not that of vmcore"]:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
