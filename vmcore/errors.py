"""The exception tree of vmcore.

Every error that a caller can cause is a :class:`VmError`. A message says three things: what was given, what is
allowed, and what to do next. What a *guest* does is never an exception: it is a trap inside the guest or a
:class:`vmcore.Stop` returned by ``run``.
"""

from __future__ import annotations

__all__ = [
    "BootError",
    "ClosedError",
    "ConfigError",
    "ConsoleError",
    "DependencyError",
    "DeviceError",
    "GuestTimeout",
    "HeapError",
    "HeapExhausted",
    "ImageError",
    "IsaError",
    "LoadError",
    "MemoryAccessError",
    "SymbolError",
    "VmError",
]


class VmError(Exception):
    """Base of every error that vmcore raises.

    Parameters
    ----------
    message : str
        What was given and why it is wrong, with addresses in hexadecimal.
    hint : str, optional
        What the caller can do next. It is appended to the message.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}. {hint}" if hint else message)
        self.message = message
        self.hint = hint


class ConfigError(VmError, ValueError):
    """An option of a machine or of a device has a value that is not allowed."""


class IsaError(ConfigError):
    """An ISA string names something unknown, contradictory or not offered."""


class LoadError(VmError):
    """A kernel, firmware, initrd or ELF file cannot be loaded."""


class BootError(VmError):
    """The parts of a boot do not fit together (no kernel, no room for the initrd, ...)."""


class MemoryAccessError(VmError, LookupError):
    """A guest address given by the caller is not mapped, or the access does not fit."""


class SymbolError(VmError, KeyError):
    """A symbol is not known in the loaded images."""

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0])


class DeviceError(VmError):
    """A device could not be built, or a device written in Python raised while serving the guest."""


class ConsoleError(VmError):
    """The console was used in a way that cannot work (no console, guest ended)."""


class GuestTimeout(ConsoleError, TimeoutError):
    """A console wait ran out of *virtual* time."""


class ClosedError(VmError):
    """The machine, heap or store is closed."""


class ImageError(VmError):
    """A guest image cannot be downloaded, verified or unpacked."""


class DependencyError(VmError, ImportError):
    """An optional dependency is missing; the hint names the extra that installs it."""


class HeapError(VmError):
    """The managed heap or its snapshot store was used in a way that cannot work."""


class HeapExhausted(HeapError, MemoryError):
    """The managed heap is full, even after it was collected."""
