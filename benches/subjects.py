"""Who is compared: vmcore, QEMU, and the host itself, each as a process of its own that runs one kernel."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import Child

import guests
from vmcore import images
from vmcore.isa.riscv.extensions import Isa

QEMU = "qemu-system-riscv64"
QEMU_WANTED = (10, 0)
RAM = {"linux": "512M", "bare": "128M"}


@dataclass(frozen=True)
class Run:
    """CPU seconds of one process.

    Parameters
    ----------
    total : float
        All of it.
    seconds : dict
        Those until a moment, start of the process and imports included: ``"init"``, when the guest's first program
        has been started, and ``"ready"``, when the guest is at rest and the kernel begins.
    stats : dict
        vmcore's counters at these moments and at the ``"end"``.
    """

    total: float
    seconds: dict[str, float] = field(default_factory=dict)
    stats: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def work(self) -> float:
        """The seconds from the kernel's begin to the end of the process; all of them where nobody says when it is."""
        return self.total - self.seconds.get("ready", 0.0)

    def counters(self, begin: str = "", end: str = "end") -> dict[str, float]:
        """Return vmcore's counters between two moments; of a percentage, which has no difference, the last value."""
        first, last = self.stats.get(begin, {}), self.stats.get(end, {})
        numbers = {key: value for key, value in last.items() if isinstance(value, (int, float))}
        return {key: value if key.endswith("_pct") else value - first.get(key, 0) for key, value in numbers.items()}


class Guests:
    """The programs that run: under Debian's kernel, as its first process, or on the bare machine.

    Parameters
    ----------
    folder : Path
        Where they are built.
    form : str
        ``"linux"`` or ``"bare"``.
    times : int
        How often a kernel runs, one time after the other; on the bare machine once.
    """

    def __init__(self, folder: Path, form: str, times: int = 1) -> None:
        self.folder, self.form, self.times = folder, form, times
        self.native = guests.build_native(folder)
        if form == "linux":
            self._kernel = images.pull("debian-kernel").kernel
            self._initrd = folder / "initramfs"
            program = guests.build_linux(folder).read_bytes()
            with self._initrd.open("wb") as file, images.CpioWriter(file) as archive:
                archive.folder("proc")
                archive.device("dev/console", "c", 5, 1)
                archive.file("init", program, 0o755)

    def files(self, name: str) -> dict[str, str]:
        """Return what a machine starts from to run a kernel: ``kernel``, and perhaps ``initrd`` and ``append``."""
        if self.form == "bare":
            return {"kernel": str(guests.build(name, self.folder))}
        # What follows the two dashes are the first program's arguments. No kernel uses more than Sv39, even where the
        # machine cannot be told to have no more.
        append = f"console=ttyS0 quiet no4lvl -- {name} {self.times}"
        return {"kernel": str(self._kernel), "initrd": str(self._initrd), "append": append}


class Native:
    """The same C, compiled for the host."""

    def __init__(self, made: Guests) -> None:
        self._program, self._times = made.native, made.times

    def run(self, name: str) -> Run:
        """Run a kernel."""
        with Child([str(self._program), name, str(self._times)]) as child:
            total, _ = child.wait()
        return Run(total)


class Vmcore:
    """vmcore, in a Python process of its own."""

    def __init__(self, made: Guests, tier: str | None) -> None:
        self._guests = made
        isa = Isa.default().string()
        self._machine = {"ram": RAM[made.form], "isa": isa.replace("_sv48", "").replace("_sv57", "")}
        if made.form == "bare":
            self._machine["bios"] = "none"
        if tier is not None:
            self._machine["tier"] = tier

    def machine(self, name: str) -> dict[str, str]:
        """Return the arguments of the machine that runs a kernel."""
        return {**self._machine, **self._guests.files(name)}

    def run(self, name: str, cache: Path | None = None, *, counting: bool = False) -> Run:
        """Run a kernel, with an empty cache folder unless one is given.

        ``counting``: compiled code counts its look-ups too, which makes it slower.
        """
        if cache is None:
            with tempfile.TemporaryDirectory() as folder:
                return self.run(name, Path(folder), counting=counting)
        linux = self._guests.form == "linux"
        order = json.dumps({"machine": self.machine(name), "handshake": linux})
        script = Path(__file__).with_name("in_vmcore.py")
        counts = str(int(counting))
        with Child([sys.executable, str(script), order], VMCORE_CACHE=str(cache), VMCORE_JIT_COUNT=counts) as child:
            total, said = child.wait()
        answer = json.loads(said)
        return Run(total, answer["seconds"], answer["stats"])


class Qemu:
    """QEMU's system emulator, where it is installed."""

    def __init__(self, made: Guests) -> None:
        self._guests = made
        said = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"version (\d+)\.(\d+)\.(\d+)", said)
        if found is None:
            raise SystemExit(f"{QEMU} --version says {said!r}")
        self.version = tuple(map(int, found.groups()))
        # Older ones have no such switches.
        self._cpu = "rv64,sv57=off,sv48=off" if self.version >= (8, 1) else "rv64"

    @staticmethod
    def installed() -> bool:
        """Whether there is one."""
        return shutil.which(QEMU) is not None

    def run(self, name: str) -> Run:
        """Run a kernel."""
        command = [QEMU, "-machine", "virt", "-cpu", self._cpu, "-m", RAM[self._guests.form], "-display", "none"]
        command += ["-monitor", "none", "-serial", "stdio", "-no-reboot"]
        for option, value in self._guests.files(name).items():
            command += [f"-{option}", value]
        if self._guests.form == "bare":
            with Child([*command, "-bios", "none"]) as child:
                return Run(child.wait()[0])
        seconds = {}
        with Child(command) as child:
            for moment in ("init", "ready"):
                if not any(f"bench: {moment}".encode() in line for line in child.output):
                    raise child.failure(f"the guest never said that it is at {moment!r}")
                seconds[moment] = child.seconds()
                child.input.write(b"\n")
                child.input.flush()
            total, said = child.wait()
            if b"bench: right" not in said:
                raise child.failure("the guest's kernel did not come out right", said)
        return Run(total, seconds)
