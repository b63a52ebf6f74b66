"""One hart as scripts see it."""

from __future__ import annotations

from vmcore._fast.face import Csrs, FloatRegisters, MemoryFace, Registers
from vmcore._fast.run import Core
from vmcore.errors import ConfigError
from vmcore.isa.riscv.csrs import BY_NAME

__all__ = ["CSR_NUMBERS", "Hart"]

CSR_NUMBERS = {name: csr.number for name, csr in BY_NAME.items()}
_MODES = {0: "user", 1: "supervisor", 3: "machine"}


class Hart:
    """A hart: registers, CSRs, and memory as it sees it.

    Attributes
    ----------
    index : int
        Its number, ``mhartid``.
    x : Registers
        Integer registers: ``hart.x.a0``, ``hart.x[10]``.
    f : FloatRegisters
        Floating-point registers.
    csr : Csrs
        Control and status registers: ``hart.csr.mstatus``.
    mem : MemoryFace
        Memory by virtual address, translated as the hart would now.
    """

    __slots__ = ("_core", "csr", "f", "index", "mem", "x")

    def __init__(self, core: Core, index: int) -> None:
        self._core = core
        self.index = index
        self.x = Registers(core, index)
        self.f = FloatRegisters(core, index)
        self.csr = Csrs(core, index, CSR_NUMBERS)
        self.mem = MemoryFace(core, index)

    @property
    def pc(self) -> int:
        """int: the program counter; assigning it makes the hart go on there."""
        return self._core.pc(self.index)

    @pc.setter
    def pc(self, value: int) -> None:
        if value & 1:
            raise ConfigError(f"no instruction can be at the odd address {value:#x}")
        self._core.set_pc(self.index, value)

    @property
    def priv(self) -> int:
        """int: the privilege: 0 user, 1 supervisor, 3 machine."""
        return self._core.priv(self.index)

    @priv.setter
    def priv(self, value: int) -> None:
        self._core.set_priv(self.index, value)

    @property
    def icount(self) -> int:
        """int: instructions that it has attempted since power-on."""
        return self._core.icount(self.index)

    @property
    def waiting(self) -> bool:
        """bool: whether it waits for an interrupt."""
        return self._core.hart_waiting(self.index)

    @property
    def stopped(self) -> bool:
        """bool: whether it was never started, or stopped by the guest."""
        return self._core.hart_stopped(self.index)

    def translate(self, address: int, access: str = "r") -> int:
        """Return the physical address of a virtual one, for access ``"r"``, ``"w"`` or ``"x"``.

        Raises
        ------
        MemoryAccessError
            The hart would take a fault.
        """
        return self._core.translate(self.index, address, access)

    def __repr__(self) -> str:
        state = "stopped" if self.stopped else "waiting" if self.waiting else _MODES[self.priv]
        return f"<Hart {self.index}: pc {self.pc:#x}, {state}, {self.icount} instructions>"
