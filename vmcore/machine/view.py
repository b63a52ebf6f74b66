"""What a script sees of a machine that stands still: harts, consoles, symbols, device tree, counters."""

from __future__ import annotations

from html import escape
from typing import Any

from vmcore._fast.run import Core
from vmcore._fast.stop import Stop
from vmcore.config.settings import MachineSettings
from vmcore.config.values import format_size
from vmcore.devices.fdt import Tree
from vmcore.errors import ClosedError
from vmcore.isa.riscv import Isa
from vmcore.machine.board import Board
from vmcore.machine.boot import Boot
from vmcore.machine.breakpoints import Breakpoints
from vmcore.machine.devicetree import Chosen, build_tree
from vmcore.machine.hart import Hart
from vmcore.machine.loader.symbols import Symbols

__all__ = ["MachineView"]

NS = 1_000_000_000


class MachineView:
    """The part of :class:`~vmcore.machine.machine.Machine` that looks and does not run."""

    core: Core
    board: Board
    isa: Isa
    settings: MachineSettings
    symbols: Symbols
    _boot: Boot | None
    _end: Stop | None
    _closed: bool
    _first: Hart
    _harts: list[Hart] | None
    _breakpoints: Breakpoints | None

    @property
    def pc(self) -> int:
        """int: hart 0's program counter."""
        return self.core.pc(0)

    @pc.setter
    def pc(self, value: int | str) -> None:
        self._first.pc = self.resolve(value)

    @property
    def harts(self) -> list[Hart]:
        """All harts, a list of Hart."""
        if self._harts is None:
            self._harts = [self._first, *(Hart(self.core, i) for i in range(1, self.core.nharts))]
        return self._harts

    @property
    def breakpoints(self) -> Breakpoints:
        """Breakpoints: the addresses at which a run ends."""
        if self._breakpoints is None:
            self._breakpoints = Breakpoints(self.core, self.symbols)
        return self._breakpoints

    def break_at(self, where: int | str) -> int:
        """Add a breakpoint; see :attr:`breakpoints`."""
        return self.breakpoints.add(where)

    def resolve(self, where: int | str) -> int:
        """Return `where` as an address.

        Raises
        ------
        SymbolError
            It is a name, and no loaded image has such a symbol.
        ConfigError
            It is neither.
        """
        return self.symbols.resolve(where)

    @property
    def exit_code(self) -> int | None:
        """The status with which the guest ended; None while it has not."""
        return None if self._end is None else self._end.code

    @property
    def now(self) -> float:
        """float: virtual seconds since power-on."""
        return self.core.now_ns / NS

    def _tree(self) -> Tree:
        if self._boot is not None:
            return self._boot.tree()
        return build_tree(self.board, self.isa, Chosen(seed=self.settings.seed))

    @property
    def fdt(self) -> str:
        """str: the device tree as source text."""
        return self._tree().to_dts()

    @property
    def fdt_blob(self) -> bytes:
        """bytes: the device tree as guests get it."""
        return self._tree().to_blob()

    def stats(self) -> dict[str, Any]:
        """Return counters of the engine, instructions of each hart, and the virtual time."""
        self._check_open()
        core = self.core
        return {
            **core.stats(),
            "hart_instructions": [core.icount(i) for i in range(core.nharts)],
            "virtual_seconds": self.now,
        }

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the machine is closed", hint="Make a new one")

    @property
    def closed(self) -> bool:
        """bool: whether it is closed."""
        return self._closed

    def __repr__(self) -> str:
        settings = self.settings
        what = f"Machine {settings.board}: {settings.harts} x {self.isa.string()[:8]}, {format_size(settings.ram)}"
        if self._closed:
            return f"<{what}, closed>"
        where = self.symbols.describe(self.core.pc(0))
        return f"<{what}, {self.core.icount()} instructions, hart 0 at {where}>"

    def _repr_html_(self) -> str:
        settings = self.settings
        rows = {
            "board": settings.board,
            "harts": f"{settings.harts} × {self.isa.string()}",
            "memory": format_size(settings.ram),
            "clock": settings.clock,
        }
        if self._closed:
            rows["state"] = "closed"
        else:
            rows["state"] = "running" if self._end is None else f"ended: {self._end.reason}, code {self._end.code}"
            rows["time"] = f"{self.now:.6f} s"
            rows["instructions"] = f"{self.core.icount():,}"
            for hart in self.harts:
                rows[f"hart {hart.index}"] = f"{self.symbols.describe(hart.pc)}{' (waiting)' if hart.waiting else ''}"
        body = "".join(f"<tr><th>{escape(k)}</th><td><code>{escape(v)}</code></td></tr>" for k, v in rows.items())
        return f"<table>{body}</table>"
