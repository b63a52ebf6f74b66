"""The bundled guest on an engine: type a command, get its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from support import qemu

from vmcore.guests import image_path

PROMPT = "vmcore> "
ENGINES = ("qemu",) if qemu.available() else ()


class Engine(Protocol):
    """What a test needs of a running machine."""

    def expect(self, text: str) -> str: ...
    def write(self, text: str) -> None: ...
    def finish(self) -> int: ...
    def close(self) -> None: ...


class Guest:
    """One boot of the bundled guest."""

    def __init__(
        self,
        engine: str,
        *,
        harts: int = 1,
        append: str = "",
        disks: Sequence[Path] = (),
        ram: str = "128M",
        kernel: Path | None = None,
    ) -> None:
        assert engine == "qemu"
        self.machine: Engine = qemu.Qemu(kernel or image_path(), ram=ram, harts=harts, append=append, disks=disks)
        self.harts = harts

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, where: TracebackType | None) -> None:
        self.machine.close()

    def boot(self) -> str:
        """Wait for the first prompt; return the greeting."""
        return self.machine.expect(PROMPT)

    def type(self, text: str) -> None:
        """Press keys."""
        self.machine.write(text)

    def expect(self, text: str) -> str:
        """Wait for a text and return everything up to it."""
        return self.machine.expect(text)

    def ask(self, command: str) -> str:
        """Run a command and return what it prints."""
        self.type(command + "\r")
        self.expect("\n")
        return self.expect(PROMPT).removesuffix(PROMPT)

    def tasks(self) -> dict[int, tuple[str, str]]:
        """Return state and name of each task by its pid, as ``ps`` shows them."""
        rows = re.findall(r"^ *(\d+) +\d+ (\w+) .* (\w+)$", self.ask("ps"), re.MULTILINE)
        return {int(pid): (state, name) for pid, state, name in rows}

    def end(self, command: str) -> int:
        """Run a command that ends the machine; return the machine's status."""
        self.type(command + "\r")
        return self.machine.finish()
