"""The code that harts run first when there is firmware: what QEMU's reset vector does, at the same address.

It leaves ``a0`` = hart id, ``a1`` = device tree, ``a2`` = OpenSBI's ``struct fw_dynamic_info``, and jumps.
"""

from __future__ import annotations

import struct

from vmcore.machine.memmap import RESET_ROM

__all__ = ["MODE_M", "MODE_S", "reset_rom"]

MODE_S, MODE_M = 1, 3
_MAGIC = 0x4942_534F  # "OSBI"
_VERSION = 2
_CODE = (
    0x0000_0297,  # auipc t0, 0
    0x0282_8613,  # addi  a2, t0, 40        the structure below
    0xF140_2573,  # csrr  a0, mhartid
    0x0202_B583,  # ld    a1, 32(t0)
    0x0182_B283,  # ld    t0, 24(t0)
    0x0002_8067,  # jr    t0
)


def reset_rom(start: int, fdt: int, *, next_address: int = 0, next_mode: int = MODE_S, boot_hart: int = 0) -> bytes:
    """Return the contents of the ROM.

    Parameters
    ----------
    start : int
        Where the harts go on, in M-mode.
    fdt : int
        Address of the device tree, or 0.
    next_address, next_mode : int
        What OpenSBI's fw_dynamic starts next, and in which mode.
    boot_hart : int
        The hart that should do so.
    """
    code = struct.pack("<6I", *_CODE)
    where = struct.pack("<QQ", start, fdt)
    info = struct.pack("<6Q", _MAGIC, _VERSION, next_address, next_mode, 0, boot_hart)
    assert len(code) == 24 and RESET_ROM % 4096 == 0
    return code + where + info
