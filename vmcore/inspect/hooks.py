"""Hooks: Python called when the guest gets somewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vmcore._fast.run import Core
from vmcore.errors import ConfigError
from vmcore.machine.hart import Hart
from vmcore.machine.machine import Machine

__all__ = ["CodeHook", "Hooks"]

Callback = TypeVar("Callback", bound=Callable[[Hart], object])


class CodeHook:
    """A callback at an address, until it is removed.

    Attributes
    ----------
    address : int
        Where.
    callback : callable
        What is called.
    """

    __slots__ = ("_core", "address", "callback")

    def __init__(self, core: Core, address: int, callback: Callable[[Hart], object]) -> None:
        self._core: Core | None = core
        self.address = address
        self.callback = callback
        core.hook_add(address, callback)

    @property
    def active(self) -> bool:
        """bool: whether it is still called."""
        return self._core is not None

    def remove(self) -> None:
        """Stop calling it. Removing it again does nothing; a callback may remove itself."""
        if self._core is not None:
            core, self._core = self._core, None
            core.hook_remove(self.address, self.callback)

    def __repr__(self) -> str:
        name = getattr(self.callback, "__name__", repr(self.callback))
        return f"<CodeHook {name} at {self.address:#x}{'' if self.active else ', removed'}>"


class Hooks:
    """``vm.hook``: where callbacks are registered.

    Examples
    --------
    >>> @vm.hook.code("parse_packet")
    ... def on_packet(hart):
    ...     print(hex(hart.x.a0))

    The callback runs before the instruction at the address, in the thread that runs the machine. It may read and
    write registers and memory, add and remove hooks and breakpoints, and call :meth:`Machine.stop`; a true result ends
    the run with reason ``"hook"``. An exception that it raises leaves :meth:`Machine.run`; the machine can go on.
    """

    def __init__(self, machine: Machine) -> None:
        # Not the machine itself: it holds this object, and a machine that is dropped should be gone at once.
        self._core = machine.core
        self._resolve = machine.symbols.resolve
        # Callbacks are given the hart itself; the core calls them with nothing in between.
        machine.core.hook_args = tuple(machine.harts)
        self._hooks: list[CodeHook] = []

    def code(self, where: int | str) -> Callable[[Callback], Callback]:
        """Return a decorator that registers a callback for the instruction at `where`, an address or a symbol."""
        address = self._resolve(where)

        def register(callback: Callback) -> Callback:
            self.add(address, callback)
            return callback

        return register

    def add(self, where: int | str, callback: Callable[[Hart], object]) -> CodeHook:
        """Register a callback for the instruction at `where`, an address or a symbol.

        Raises
        ------
        ConfigError
            It cannot be called.
        SymbolError
            There is no such symbol.
        """
        if not callable(callback):
            raise ConfigError(f"hook {callback!r} cannot be called", hint="Give a function of one argument, the hart")
        hook = CodeHook(self._core, self._resolve(where), callback)
        self._hooks = [known for known in self._hooks if known.active]
        self._hooks.append(hook)
        return hook

    def remove(self, callback: Callable[[Hart], object]) -> None:
        """Remove every hook that calls `callback`.

        Raises
        ------
        ConfigError
            There is none.
        """
        found = [hook for hook in self._hooks if hook.active and hook.callback is callback]
        if not found:
            raise ConfigError(f"{callback!r} is no registered hook")
        for hook in found:
            hook.remove()

    def clear(self) -> None:
        """Remove all hooks."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def __len__(self) -> int:
        return sum(hook.active for hook in self._hooks)

    def __repr__(self) -> str:
        return f"<Hooks: {len(self)}>"
