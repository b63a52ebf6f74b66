"""Devices written in Python: registers in ten lines, with snapshots, device-tree node and interrupt line for free.

>>> class Doorbell(Device):
...     name = "doorbell"
...     compatible = ("acme,doorbell",)
...     state = ("rings",)
...     rings = 0
...     limit = Register(0x0, reset=3)
...     ring = Register(0x4)
...
...     @ring.on_write
...     def _rung(self, value: int) -> None:
...         self.rings += value
...         self.irq(self.rings >= self.limit)

The machine hands in `memory`, `clock` and `irq`, calls :meth:`Device.read` and :meth:`Device.write` from the thread of
the hart that made the access, and stores :meth:`Device.save` in snapshots. Nothing is pickled: state is plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeAlias, TypeVar, overload, runtime_checkable

from vmcore.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from vmcore._fast.dev.bus import ClockHandle
    from vmcore.devices.fdt import Node

__all__ = ["Device", "GuestMemory", "IrqLine", "Register", "State", "Stateful", "check_fields"]

#: What save() returns: names to plain values.
State: TypeAlias = dict[str, Any]
#: An interrupt line: called with the level it is to have.
IrqLine: TypeAlias = Callable[[bool], None]

_Reader = TypeVar("_Reader", bound=Callable[[Any], int])
_Writer = TypeVar("_Writer", bound=Callable[[Any, int], None])


@runtime_checkable
class GuestMemory(Protocol):
    """Guest physical memory, as a device reaches it (DMA)."""

    def read(self, gpa: int, n: int) -> bytes:
        """Return `n` bytes; :class:`~vmcore.errors.MemoryAccessError` where they are not all RAM."""

    def write(self, gpa: int, data: Buffer) -> None:
        """Store `data`; :class:`~vmcore.errors.MemoryAccessError` where it is not all RAM."""

    def view(self, gpa: int, n: int) -> memoryview:
        """Return a writable view without a copy; :class:`~vmcore.errors.MemoryAccessError` where there is none."""


def plain(value: object, where: str) -> Any:
    """Return a copy of `value`, which must be made of the types that a state may hold; a bytearray becomes bytes.

    Raises
    ------
    DeviceError
        There is something else in it; `where` names the field.
    """
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return value
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, list):
        return [plain(item, where) for item in value]
    if isinstance(value, dict) and all(isinstance(key, (int, str)) for key in value):
        return {key: plain(item, where) for key, item in value.items()}
    raise DeviceError(
        f"{where} holds a {type(value).__name__}, which no device state may hold",
        hint="Allowed are int, bool, str, bytes, bytearray, None, and lists and dicts of those",
    )


def check_fields(what: str, state: object, names: Iterable[str]) -> None:
    """Raise :class:`~vmcore.errors.DeviceError` unless the `state` of `what` is a dict with exactly these keys."""
    if not isinstance(state, dict):
        raise DeviceError(f"the saved state of {what} is a dict, not a {type(state).__name__}")
    odd = set(state) ^ set(names)
    if odd:
        raise DeviceError(
            f"the saved state of {what} has missing or unknown fields: {', '.join(sorted(map(str, odd)))}",
            hint="Load what save() returned, into a machine with the same devices",
        )


class Stateful:
    """Something whose whole state is the fields it declares.

    `state` names attributes; a subclass lists only its own, those of its bases are added. `limits` gives the largest
    value of integers that a damaged snapshot must not push out of their range (the smallest is 0).
    """

    state: ClassVar[tuple[str, ...]] = ()
    limits: ClassVar[dict[str, int]] = {}
    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = [name for base in reversed(cls.__mro__) for name in base.__dict__.get("state", ())]
        cls._fields = tuple(dict.fromkeys(names))
        cls.limits = {k: v for base in reversed(cls.__mro__) for k, v in base.__dict__.get("limits", {}).items()}

    def save(self) -> State:
        """Return the declared fields, copied.

        Raises
        ------
        DeviceError
            A field holds something that is no plain value.
        """
        return {name: plain(getattr(self, name), f"{type(self).__name__}.{name}") for name in self._fields}

    def load(self, state: State) -> None:
        """Take what :meth:`save` of the same class returned.

        Raises
        ------
        DeviceError
            A field is missing, unknown or of another type. Nothing is changed then.
        """
        check_fields(type(self).__name__, state, self._fields)
        values = {}
        for name in self._fields:
            where = f"{type(self).__name__}.{name}"
            value = plain(state[name], where)
            now = getattr(self, name)
            if isinstance(now, bytearray) and isinstance(value, bytes):
                value = bytearray(value)
            if now is not None and value is not None and type(value) is not type(now):
                raise DeviceError(f"{where} is {type(now).__name__}, its saved value is {type(value).__name__}")
            limit = self.limits.get(name)
            if limit is not None and not (type(value) is int and 0 <= value <= limit):
                raise DeviceError(f"{where} is saved as {value!r}, allowed is 0 to {limit:#x}")
            values[name] = value
        for name, value in values.items():
            setattr(self, name, value)


class Register:
    """A register of a :class:`Device`: it reads like an attribute and is part of the state.

    The guest reads its value and, unless it is read-only, sets it; :meth:`on_read` and :meth:`on_write` name methods
    that do more. An access that covers a part of the register works on that part.

    Parameters
    ----------
    offset : int
        Where it is in the device's region; a multiple of `size`.
    size : int, default 4
        Bytes: 1, 2, 4 or 8.
    reset : int, default 0
        Value after a reset.
    writable : int, optional
        Mask of the bits that the guest can change; all by default, 0 makes it read-only.
    """

    def __init__(self, offset: int, size: int = 4, *, reset: int = 0, writable: int | None = None) -> None:
        if size not in (1, 2, 4, 8) or offset < 0 or offset % size:
            raise ConfigError(f"a register of {size} bytes at {offset:#x}: sizes are 1, 2, 4 and 8, offsets multiples")
        self.offset = offset
        self.size = size
        self.mask = (1 << 8 * size) - 1
        self.reset = reset & self.mask
        self.writable = self.mask if writable is None else writable & self.mask
        self.name = ""
        self.reader: Callable[[Any], int] | None = None
        self.writer: Callable[[Any, int], None] | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, device: None, owner: type) -> Self: ...
    @overload
    def __get__(self, device: Device, owner: type) -> int: ...
    def __get__(self, device: Device | None, owner: type) -> Self | int:
        if device is None:
            return self
        value: int = device.__dict__.get(self.name, self.reset)
        return value

    def __set__(self, device: Device, value: int) -> None:
        device.__dict__[self.name] = value & self.mask

    def on_read(self, method: _Reader) -> _Reader:
        """Make `method` answer reads: its result replaces the stored value."""
        self.reader = method
        return method

    def on_write(self, method: _Writer) -> _Writer:
        """Call `method` with the new value after the guest has written."""
        self.writer = method
        return method


def _nowhere(level: bool) -> None:
    """Drive an interrupt line that is connected to nothing."""


class Device(Stateful):
    """Base of the devices written in Python.

    Attributes
    ----------
    name : str
        Name of its device-tree node.
    size : int
        Bytes of its MMIO region.
    compatible : tuple of str
        ``compatible`` of its device-tree node.
    irq : callable
        Its interrupt line: ``self.irq(True)`` raises it.
    clock : ClockHandle or None
        The machine's clock.
    """

    name: str = "device"
    size: int = 0x1000
    compatible: tuple[str, ...] = ()
    irq: IrqLine = staticmethod(_nowhere)
    clock: ClockHandle | None = None

    _memory: GuestMemory | None = None
    _registers: ClassVar[dict[int, Register]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        found = {name: r for base in reversed(cls.__mro__) for name, r in vars(base).items() if isinstance(r, Register)}
        taken: dict[int, Register] = {}
        cls._registers = {}
        for register in found.values():
            cls._registers[register.offset] = register
            for byte in range(register.offset, register.offset + register.size):
                other = taken.setdefault(byte, register)
                if other is not register:
                    raise ConfigError(f"{cls.__name__}: registers {other.name} and {register.name} overlap")
        cls._fields = tuple(dict.fromkeys((*cls._fields, *found)))

    @property
    def memory(self) -> GuestMemory:
        """GuestMemory: guest physical memory; DeviceError while the device is in no machine."""
        if self._memory is None:
            raise DeviceError(f"device {self.name!r} is in no machine and has no memory", hint="Attach it first")
        return self._memory

    @memory.setter
    def memory(self, memory: GuestMemory) -> None:
        self._memory = memory
        self.attached()

    def attach(self, memory: GuestMemory, *, clock: ClockHandle | None = None, irq: IrqLine | None = None) -> None:
        """Hand in what the device needs of its machine."""
        self.clock = clock
        if irq is not None:
            self.irq = irq
        self.memory = memory

    def attached(self) -> None:
        """Take note that guest memory was handed in; a device with parts passes it on to them."""

    def reset(self) -> None:
        """Go back to the state after power-on. The default resets the registers and lowers the interrupt line."""
        for register in self._registers.values():
            self.__dict__.pop(register.name, None)
        self.irq(False)

    def read(self, offset: int, size: int) -> int:
        """Answer a read of `size` (1, 2, 4, 8) bytes at `offset`. Where no register is, the guest reads 0."""
        register, shift = self._find(offset, size)
        if register is None:
            return 0
        value = register.reader(self) if register.reader else getattr(self, register.name)
        return (value & register.mask) >> shift & ((1 << 8 * size) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a write of `size` (1, 2, 4, 8) bytes at `offset`. Where no register is, nothing happens."""
        register, shift = self._find(offset, size)
        if register is None:
            return
        bits = register.writable & ((1 << 8 * size) - 1) << shift
        new = getattr(self, register.name) & ~bits | value << shift & bits
        setattr(self, register.name, new)
        if register.writer:
            register.writer(self, new)

    def _find(self, offset: int, size: int) -> tuple[Register | None, int]:
        """Return the register that holds all of the access, and the bit where the access begins."""
        registers = self._registers
        for start in (offset, offset & ~1, offset & ~3, offset & ~7):
            register = registers.get(start)
            if register is not None and offset + size <= start + register.size:
                return register, 8 * (offset - start)
        return None, 0

    def describe(self, node: Node) -> None:
        """Add the device's properties to its device-tree node (``reg`` and ``interrupts`` are the board's)."""
        if self.compatible:
            node["compatible"] = self.compatible
