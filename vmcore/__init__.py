"""vmcore: a full-system virtual machine inside the Python process.

>>> import vmcore
>>> with vmcore.Machine(ram="128M", kernel="Image", initrd="initrd.gz") as vm:
...     shell = vm.console.login("root")
...     print(shell.run("uname -a").stdout)
"""

from vmcore._fast.stop import Stop
from vmcore.devices.base import Device, Register
from vmcore.errors import (
    BootError,
    ClosedError,
    ConfigError,
    ConsoleError,
    DependencyError,
    DeviceError,
    GuestTimeout,
    ImageError,
    IsaError,
    LoadError,
    MemoryAccessError,
    SymbolError,
    VmError,
)
from vmcore.machine.console.console import Console, Match
from vmcore.machine.console.shell import Result, Shell
from vmcore.machine.disk import Disk
from vmcore.machine.hart import Hart
from vmcore.machine.machine import Machine
from vmcore.machine.stop import StopReason

__all__ = [
    "BootError",
    "ClosedError",
    "ConfigError",
    "Console",
    "ConsoleError",
    "DependencyError",
    "Device",
    "DeviceError",
    "Disk",
    "GuestTimeout",
    "Hart",
    "ImageError",
    "IsaError",
    "LoadError",
    "Machine",
    "Match",
    "MemoryAccessError",
    "Register",
    "Result",
    "Shell",
    "Stop",
    "StopReason",
    "SymbolError",
    "VmError",
]
