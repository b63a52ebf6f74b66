"""RISC-V, described once: formats, instructions, extensions and CSRs.

The decoder of the core, the disassembler, the documentation and the random-instruction tests are made from these
tables. :func:`install` hands them to the core.
"""

from __future__ import annotations

from importlib import import_module
from threading import Lock

from vmcore.isa.riscv.extensions import EXTENSIONS, Isa
from vmcore.isa.riscv.formats import FORMATS, Format
from vmcore.isa.riscv.isastring import parse_isa
from vmcore.isa.riscv.row import Instruction
from vmcore.isa.riscv.table import BY_MNEMONIC, INSTRUCTIONS, find, install_tables

__all__ = [
    "BY_MNEMONIC",
    "EXTENSIONS",
    "FORMATS",
    "INSTRUCTIONS",
    "Format",
    "Instruction",
    "Isa",
    "find",
    "install",
    "install_tables",
    "parse_isa",
]

_lock = Lock()
_installed = False


def install() -> None:
    """Hand the formats and rows to the core's decoder. Calling it again does nothing.

    The machine layer calls it when it is imported; whoever uses the core without a machine calls it once before.
    """
    global _installed
    with _lock:
        if not _installed:
            # The run loop's module imports every module of handlers, and the rows name handlers.
            import_module("vmcore._fast.run")
            import_module("vmcore._fast.hart.decode").install(*install_tables())
            _installed = True
