"""The bundled guest on an engine: type a command, get its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from support import qemu

from vmcore import Disk, Machine
from vmcore.guests import image_path

PROMPT = "vmcore> "
# vmcore with its built-in firmware; and QEMU with OpenSBI where it is installed, so that a fault of one shows.
ENGINES = ("vmcore", "qemu") if qemu.available() else ("vmcore",)
PATIENCE = 600.0


class Engine(Protocol):
    """What a test needs of a running machine."""

    def expect(self, text: str) -> str: ...
    def write(self, text: str) -> None: ...
    def finish(self) -> int: ...
    def close(self) -> None: ...


class Vmcore:
    """The machine under test."""

    def __init__(
        self, kernel: Path, *, ram: str, harts: int, append: str, disks: Sequence[Path], isa: str | None = None
    ) -> None:
        # The first on MMIO, the others on PCI: the guest has a driver for each.
        mixed = [Disk(disk, transport="pci" if i else "mmio") for i, disk in enumerate(disks)]
        self.vm = Machine("virt", ram=ram, harts=harts, kernel=kernel, append=append, disks=mixed, isa=isa)

    def expect(self, text: str) -> str:
        match = self.vm.console.expect(text, timeout=PATIENCE)
        return match.before + match.text

    def write(self, text: str) -> None:
        self.vm.console.write(text)

    def finish(self) -> int:
        stop = self.vm.run(timeout=PATIENCE)
        assert stop.reason == "poweroff"
        assert stop.code is not None
        return stop.code

    def close(self) -> None:
        self.vm.close()


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
        isa: str | None = None,
    ) -> None:
        make = {"vmcore": Vmcore, "qemu": qemu.Qemu}[engine]
        more = {} if isa is None else {"isa": isa}
        self.machine: Engine = make(kernel or image_path(), ram=ram, harts=harts, append=append, disks=disks, **more)
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
