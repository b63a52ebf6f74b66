"""The oracle that is always there: the instructions' definitions in plain Python.

It is slow and obvious. Decoding uses the project's rows (which other oracles check); what an instruction does is
written here independently of the core: integers and cryptography in this folder, floating point by exact arithmetic
(:mod:`support.fp_model`). It runs whole programs, in M-mode, until they trap.
"""

from __future__ import annotations

from support.fp_model import DYNAMIC, expected, from_x, legal, to_x
from support.fp_model import ROWS as FLOAT_ROWS
from support.lockstep import DATA, ENDLESS, INSTRUCTIONS_MOST, WINDOWS, Case, Outcome
from support.reference import crypto, integer
from support.reference.integer import CONDITIONS, M64, low, signed
from support.reference.memory import AccessFault, Memory

from vmcore.isa.riscv import Instruction, find

__all__ = ["Reference", "knows"]

_ILLEGAL, _BREAKPOINT = 2, 3
_FETCH_FAULT, _LOAD_FAULT, _STORE_FAULT = 1, 5, 7
_LOAD_MISALIGNED, _STORE_MISALIGNED = 4, 6
_ECALL_U, _ECALL_M = 8, 11
_SIZES = {"b": 1, "h": 2, "w": 4, "d": 8, "q": 16}
_BLOCK = 64

_COMBINE = {
    "amoswap": lambda old, new, bits: new,
    "amoadd": lambda old, new, bits: old + new,
    "amoxor": lambda old, new, bits: old ^ new,
    "amoand": lambda old, new, bits: old & new,
    "amoor": lambda old, new, bits: old | new,
    "amomin": lambda old, new, bits: min(signed(old, bits), signed(new, bits)),
    "amomax": lambda old, new, bits: max(signed(old, bits), signed(new, bits)),
    "amominu": lambda old, new, bits: min(low(old, bits), low(new, bits)),
    "amomaxu": lambda old, new, bits: max(low(old, bits), low(new, bits)),
}
_QUIET = {"nop", "fence", "fence.i", "pause", "wrs.nto", "wrs.sto", "sfence.vma", "sinval.vma", "sfence.w.inval",
          "sfence.inval.ir"}  # fmt: skip
_LOADS = {"lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"}
_STORES = {"sb", "sh", "sw", "sd"}
_CSRS = {"csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"}
_FFLAGS, _FRM, _FCSR, _SEPC, _SSCRATCH, _MEPC = 1, 2, 3, 0x141, 0x140, 0x341


class Trap(Exception):
    """What ends a program."""

    def __init__(self, cause: int, tval: int) -> None:
        self.cause = cause
        self.tval = tval


def knows(row: Instruction) -> bool:
    """Whether the reference can run a row's instruction. What is missing waits for an interrupt."""
    return row.mnemonic != "wfi"


class Reference:
    """A hart, and the memory around it."""

    def run(self, case: Case) -> Outcome:
        """Run a program to its trap."""
        self.x = [0, *case.x[1:]]
        self.f = list(case.f)
        self.fcsr = case.fcsr
        self.pc = case.address
        self.memory = Memory(case)
        self.reserved: tuple[int, int] | None = None
        self.machine_mode = True
        self.csrs = {_SSCRATCH: 0, _MEPC: 0, _SEPC: 0}
        cause, tval = ENDLESS, 0
        try:
            for _ in range(INSTRUCTIONS_MOST):
                self._step()
        except Trap as trap:
            cause, tval = trap.cause, trap.tval
        data = b"".join(self.memory.read(base, size).to_bytes(size, "little") for base, size in WINDOWS)
        assert len(data) == DATA
        return Outcome(self.x, self.f, self.fcsr, cause, self.pc, tval, data)

    # --- one instruction --------------------------------------------------------------------------------------

    def _step(self) -> None:
        word = self._fetch()
        row = find(word)
        if row is None or row.reserved(word):
            raise Trap(_ILLEGAL, word)
        held = row.format.extract(word)
        self.next = self.pc + row.size
        name = row.handler
        if name in integer.FUNCTIONS or name in crypto.FUNCTIONS:
            function = integer.FUNCTIONS.get(name) or crypto.FUNCTIONS[name]
            second = self.x[held["rs2"]] if row.format.shape == "R" else held["imm"]
            self._set(held["rd"], function(self.x[held["rs1"]], second))
        elif name in crypto.SELECTING:
            self._set(held["rd"], crypto.SELECTING[name](self.x[held["rs1"]], self.x[held["rs2"]], held["imm"]))
        elif name in FLOAT_ROWS:
            self._float(row, held, word)
        elif name in _LOADS or name in _STORES or name[1:] in ("lh", "lw", "ld", "sh", "sw", "sd"):
            self._access(row, held)
        elif "atomic" in row.flags:
            self._atomic(row, held)
        elif name in CONDITIONS:
            if CONDITIONS[name](self.x[held["rs1"]], self.x[held["rs2"]]):
                self.next = self.pc + held["imm"]
        elif name in _CSRS:
            self._csr(name, held, word)
        else:
            self._other(row, held, word)
        self.pc = self.next & M64

    def _fetch(self) -> int:
        try:
            half = self.memory.read(self.pc, 2)
        except AccessFault:
            raise Trap(_FETCH_FAULT, self.pc) from None
        if half & 3 != 3:
            return half
        try:
            return half | self.memory.read(self.pc + 2, 2) << 16
        except AccessFault as fault:
            # "mtval will contain the virtual address of the portion of the instruction that caused the fault."
            raise Trap(_FETCH_FAULT, fault.address) from None

    def _set(self, rd: int, value: int) -> None:
        if rd:
            self.x[rd] = value & M64

    def _other(self, row: Instruction, held: dict[str, int], word: int) -> None:
        name = row.handler
        if name == "auipc":
            self._set(held["rd"], self.pc + held["imm"])
        elif name == "jal":
            self._set(held["rd"], self.next)
            self.next = self.pc + held["imm"]
        elif name == "jalr":
            target = self.x[held["rs1"]] + held["imm"] & ~1
            self._set(held["rd"], self.next)
            self.next = target
        elif name == "ebreak":
            raise Trap(_BREAKPOINT, self.pc)
        elif name == "ecall":
            raise Trap(_ECALL_M if self.machine_mode else _ECALL_U, 0)
        elif name in ("mret", "sret"):
            # MPP and SPP are 0 in every case: back to U-mode.
            self.machine_mode = False
            self.next = self.csrs[_MEPC if name == "mret" else _SEPC]
        elif name.startswith("cbo."):
            self._block(name, self.x[held["rs1"]])
        elif name not in _QUIET:
            raise AssertionError(f"the reference does not know {row.mnemonic}")

    def _block(self, name: str, address: int) -> None:
        """cbo.*: a fault reports the address in rs1 ("Cache-Block Management", faults and *tval)."""
        first = address & -_BLOCK
        try:
            self.memory.read(first, _BLOCK)
        except AccessFault:
            raise Trap(_STORE_FAULT, address) from None
        if name == "cbo.zero":
            self.memory.write(first, _BLOCK, 0)

    # --- memory -----------------------------------------------------------------------------------------------

    def _access(self, row: Instruction, held: dict[str, int]) -> None:
        name, address = row.handler, self.x[held["rs1"]] + held["imm"] & M64
        is_float = name[0] == "f"
        plain = name[1:] if is_float else name
        size = _SIZES[plain[1]]
        try:
            if plain[0] == "s":
                value = (self.f if is_float else self.x)[held["rs2"]]
                self.memory.write(address, size, value)
                return
            value = self.memory.read(address, size)
        except AccessFault as fault:
            # "mtval will contain the virtual address of the portion of the access that caused the fault."
            raise Trap(_STORE_FAULT if plain[0] == "s" else _LOAD_FAULT, fault.address) from None
        if is_float:
            self.f[held["rd"]] = value | M64 << 8 * size & M64
        else:
            self._set(held["rd"], value if plain[-1] == "u" else signed(value, 8 * size))

    def _atomic(self, row: Instruction, held: dict[str, int]) -> None:
        name, suffix = row.handler.split(".")
        address, size = self.x[held["rs1"]], _SIZES[suffix]
        load = name == "lr"
        if address % size:
            raise Trap(_LOAD_MISALIGNED if load else _STORE_MISALIGNED, address)
        try:
            old = self.memory.read(address, size)
        except AccessFault:
            raise Trap(_LOAD_FAULT if load else _STORE_FAULT, address) from None
        if load:
            self.reserved = (address, size)
            self._set(held["rd"], signed(old, 8 * size))
        elif name == "sc":
            succeeds = self.reserved == (address, size)
            if succeeds:
                self.memory.write(address, size, self.x[held["rs2"]])
            self.reserved = None
            self._set(held["rd"], not succeeds)
        elif name == "amocas":
            self._compare_and_swap(held, address, size, old)
        else:
            self.memory.write(address, size, _COMBINE[name](old, self.x[held["rs2"]], 8 * size))
            self._set(held["rd"], signed(old, 8 * size))

    def _compare_and_swap(self, held: dict[str, int], address: int, size: int, old: int) -> None:
        rd, rs2 = held["rd"], held["rs2"]
        if size < 16:
            if old == low(self.x[rd], 8 * size):
                self.memory.write(address, size, self.x[rs2])
            self._set(rd, signed(old, 8 * size))
            return
        # A pair whose first register is x0 is zero as a whole, and is not written.
        wanted = self.x[rd] | self.x[rd + 1] << 64 if rd else 0
        if old == wanted:
            self.memory.write(address, size, self.x[rs2] | self.x[rs2 + 1] << 64 if rs2 else 0)
        if rd:
            self._set(rd, old)
            self._set(rd + 1, old >> 64)

    # --- floating point and CSRs ------------------------------------------------------------------------------

    def _float(self, row: Instruction, held: dict[str, int], word: int) -> None:
        name = row.mnemonic
        if not legal(name, held["rm"], self.fcsr >> 5):
            raise Trap(_ILLEGAL, word)
        mode = self.fcsr >> 5 if held["rm"] == DYNAMIC else held["rm"]
        first = self.x[held["rs1"]] if from_x(name) else self.f[held["rs1"]]
        value, flags = expected(name, (first, self.f[held["rs2"]], self.f[held["rs3"]]), mode, held["rs1"])
        self.fcsr |= flags
        if to_x(name):
            self._set(held["rd"], value)
        else:
            self.f[held["rd"]] = value

    def _csr(self, name: str, held: dict[str, int], word: int) -> None:
        number, rd, source = held["imm"], held["rd"], held["rs1"]
        value = source if name.endswith("i") else self.x[source]
        old = self._csr_read(number, word)
        kind = name[4]
        if kind == "w" or (kind != "w" and source):
            new = {"w": value, "s": old | value, "c": old & ~value}[kind] & M64
            self._csr_write(number, new)
        self._set(rd, old)

    def _csr_read(self, number: int, word: int) -> int:
        if number in (_FFLAGS, _FRM, _FCSR):
            return {_FFLAGS: self.fcsr & 31, _FRM: self.fcsr >> 5, _FCSR: self.fcsr}[number]
        if number not in self.csrs:
            raise Trap(_ILLEGAL, word)
        return self.csrs[number]

    def _csr_write(self, number: int, value: int) -> None:
        if number == _FFLAGS:
            self.fcsr = self.fcsr & ~31 | value & 31
        elif number == _FRM:
            self.fcsr = self.fcsr & 31 | (value & 7) << 5
        elif number == _FCSR:
            self.fcsr = value & 255
        else:
            self.csrs[number] = value & ~1 if number in (_MEPC, _SEPC) else value
