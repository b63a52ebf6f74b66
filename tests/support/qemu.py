"""QEMU with the vocabulary of a machine's console: a second opinion on the bundled guest, where QEMU is installed."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "qemu-system-riscv64"


def available() -> bool:
    """Tell whether QEMU is installed."""
    return shutil.which(PROGRAM) is not None


class Qemu:
    """One run of QEMU; its firmware (OpenSBI) starts the kernel in S-mode."""

    def __init__(
        self,
        kernel: Path,
        *,
        ram: str = "128M",
        harts: int = 1,
        append: str = "",
        disks: Sequence[Path] = (),
        options: Sequence[str] = (),
    ) -> None:
        command = [PROGRAM, "-machine", "virt", "-m", ram, "-smp", str(harts), "-nographic", "-kernel", str(kernel)]
        # Version 2 of virtio-mmio, as vmcore has it.
        command += ["-append", append, "-global", "virtio-mmio.force-legacy=false", *options]
        for i, disk in enumerate(disks):
            device = "virtio-blk-pci" if i else "virtio-blk-device"  # the first on MMIO, the others on PCI
            command += ["-drive", f"if=none,id=d{i},format=raw,file={disk}", "-device", f"{device},drive=d{i}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.seen = b""

    def close(self) -> None:
        """Switch it off."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()

    def expect(self, text: str, timeout: float = 60.0) -> str:
        """Wait until the console shows a text; return everything up to its end that was not returned before."""
        wanted, stream = text.encode(), self.process.stdout
        assert stream is not None
        deadline = time.monotonic() + timeout
        while wanted not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise TimeoutError(f"no {text!r} after {self.seen.decode(errors='replace')!r}")
            part = os.read(stream.fileno(), 65536)
            if not part:
                raise EOFError(f"no {text!r} before the end: {self.seen.decode(errors='replace')!r}")
            self.seen += part.replace(b"\r", b"")
        end = self.seen.index(wanted) + len(wanted)
        found, self.seen = self.seen[:end], self.seen[end:]
        return found.decode(errors="replace")

    def write(self, text: str) -> None:
        """Type a text."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    def finish(self, timeout: float = 60.0) -> int:
        """Wait for the end of the machine and return its exit status."""
        assert self.process.stdout is not None
        while part := self.process.stdout.read(65536):
            self.seen += part.replace(b"\r", b"")
        return self.process.wait(timeout)
