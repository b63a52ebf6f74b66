"""The first oracle: Unicorn, from PyPI, in this process.

Unicorn 2.1 holds the RISC-V of QEMU 5.0: RV64GC of 2020, no younger extension. Setting 64 registers through its Python
face takes half a millisecond, so two small programs in a page of their own load and store them.
"""

from __future__ import annotations

import struct

import unicorn
from support.lockstep import (
    BREAKPOINT,
    C_EBREAK,
    ENDLESS,
    FCSR,
    FILL,
    FS_INITIAL,
    MSTATUS,
    RAM,
    RAM_SIZE,
    WINDOWS,
    Case,
    Outcome,
    split_data,
)
from unicorn import riscv_const

from vmcore.isa.riscv import BY_MNEMONIC, Instruction
from vmcore.isa.riscv.assemble import encode

__all__ = ["UnicornHart", "has"]

# Registers lie where offsets from x0 reach them; the two programs are in the page after that.
_X, _F, _FCSR_AT, _LOAD, _SAVE = 0, 256, 512, 0x1000, 0x1800
_CAUSES = {
    unicorn.UC_ERR_FETCH_UNMAPPED: 1,
    unicorn.UC_ERR_INSN_INVALID: 2,
    unicorn.UC_ERR_READ_UNMAPPED: 5,
    unicorn.UC_ERR_WRITE_UNMAPPED: 7,
}
_EXTENSIONS = {"m", "a", "f", "d", "c", "zicsr", "zifencei"}
_EBREAK = 0x0010_0073


def has(row: Instruction) -> bool:
    """Whether Unicorn has a row's instruction."""
    return set(row.any) | set(row.all) <= _EXTENSIONS


def _assemble(*instructions: tuple[str, dict[str, int]]) -> bytes:
    return b"".join(encode(BY_MNEMONIC[name], **held).to_bytes(4, "little") for name, held in instructions)


class UnicornHart:
    """Unicorn's hart, in M-mode."""

    def __init__(self) -> None:
        self.uc = uc = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
        uc.mem_map(RAM, RAM_SIZE)
        uc.mem_write(FILL[0], C_EBREAK * ((FILL[1] - FILL[0]) // 2))
        uc.mem_map(0, 0x2000)
        load = _assemble(
            ("lui", {"rd": 1, "imm": FS_INITIAL}), ("csrrw", {"rd": 0, "rs1": 1, "imm": MSTATUS}),
            *(("fld", {"rd": n, "rs1": 0, "imm": _F + 8 * n}) for n in range(32)),
            ("ld", {"rd": 1, "rs1": 0, "imm": _FCSR_AT}), ("csrrw", {"rd": 0, "rs1": 1, "imm": FCSR}),
            *(("ld", {"rd": n, "rs1": 0, "imm": _X + 8 * n}) for n in range(1, 32)),
        )  # fmt: skip
        save = _assemble(
            *(("sd", {"rs1": 0, "rs2": n, "imm": _X + 8 * n}) for n in range(1, 32)),
            ("csrrs", {"rd": 1, "rs1": 0, "imm": FCSR}), ("sd", {"rs1": 0, "rs2": 1, "imm": _FCSR_AT}),
            ("lui", {"rd": 1, "imm": FS_INITIAL}), ("csrrw", {"rd": 0, "rs1": 1, "imm": MSTATUS}),
            *(("fsd", {"rs1": 0, "rs2": n, "imm": _F + 8 * n}) for n in range(32)),
        )  # fmt: skip
        uc.mem_write(_LOAD, load)
        uc.mem_write(_SAVE, save)
        self.load_end, self.save_end = _LOAD + len(load), _SAVE + len(save)
        self.cause: int | None = None
        uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupted)

    def _interrupted(self, uc: unicorn.Uc, number: int, _: object) -> None:
        self.cause = number
        uc.emu_stop()

    def run(self, case: Case) -> Outcome:
        """Run a program to its trap. The trap value is unknown (0)."""
        uc = self.uc
        uc.mem_write(case.address, case.code)
        uc.ctl_remove_cache(case.address - 4, case.address + len(case.code) + 4)
        for base, piece in split_data(case.data):
            uc.mem_write(base, piece)
        uc.mem_write(0, struct.pack("<65Q", 0, *case.x[1:], *case.f, case.fcsr))
        uc.emu_start(_LOAD, self.load_end)
        self.cause = None
        cause = ENDLESS
        try:
            uc.emu_start(case.address, 0x10, count=0)
        except unicorn.UcError as error:
            cause = _CAUSES[error.errno]
        epc = uc.reg_read(riscv_const.UC_RISCV_REG_PC)
        if self.cause is not None:
            cause = self.cause
        elif cause == 2 and self._breakpoint_at(epc):
            cause = BREAKPOINT
        uc.emu_start(_SAVE, self.save_end)
        words = struct.unpack("<65Q", uc.mem_read(0, 520))
        data = b"".join(bytes(uc.mem_read(base, size)) for base, size in WINDOWS)
        uc.mem_write(case.address, C_EBREAK * ((len(case.code) + 1) // 2))
        uc.ctl_remove_cache(case.address - 4, case.address + len(case.code) + 4)
        return Outcome(list(words[:32]), list(words[32:64]), words[64], cause, epc, 0, data)

    def _breakpoint_at(self, address: int) -> bool:
        word = int.from_bytes(self.uc.mem_read(address, 4), "little")
        return word & 0xFFFF == 0x9002 or word == _EBREAK
