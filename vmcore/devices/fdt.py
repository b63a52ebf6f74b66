"""Flattened device trees: a builder, a parser that trusts nothing, and a printer (Devicetree Specification 0.4).

A tree is built top down, and a value is encoded when it is set::

    root = Tree()
    root["compatible"] = "riscv-virtio"
    soc = root.add("soc")
    plic = soc.add("plic@c000000")
    uart = soc.add("serial@10000000")
    uart["reg"] = u64(0x1000_0000, 0x100)
    uart["interrupt-parent"] = plic          # a node stands for its phandle
    uart["interrupts"] = 10
    blob = root.to_blob()
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Self, TypeAlias

from vmcore.errors import ConfigError, LoadError

__all__ = ["MAX_BLOB", "MAX_DEPTH", "Node", "Tree", "Value", "u64"]

MAGIC = 0xD00DFEED
VERSION = 17
COMPATIBLE_VERSION = 16
HEADER = struct.Struct(">10I")
_CELL = struct.Struct(">I")
_CELLS = [struct.Struct(f">{n}I") for n in range(17)]
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9

#: Larger blobs are refused: 2 MiB is what kernels accept, and parsing stays bounded.
MAX_BLOB = 2 << 20
#: Nodes nest at most this deep, the root included.
MAX_DEPTH = 64
#: Longest name read from a blob; the specification's own limit is 31, which real trees exceed.
MAX_NAME = 255

_PROPERTY = re.compile(r"[0-9A-Za-z,._+?#*-]{1,255}")
_NODE = re.compile(r"[0-9A-Za-z,._+-]{1,255}(@[0-9A-Za-z,._+:-]{1,255})?")

#: What a property may be set to; see :meth:`Node.__setitem__`.
Value: TypeAlias = "bool | int | str | bytes | Node | Sequence[str] | Sequence[int | Node]"


def u64(*values: int) -> list[int]:
    """Return each value as two 32-bit cells, high one first: ``node["reg"] = u64(base, size)``."""
    out = []
    for value in values:
        if not 0 <= value < 1 << 64:
            raise ConfigError(f"a 64-bit device-tree value cannot be {value:#x}")
        out += [value >> 32, value & 0xFFFF_FFFF]
    return out


@lru_cache(1024)
def _property_name(name: str) -> bytes:
    """Return a property's name as it stands in the strings block."""
    if not _PROPERTY.fullmatch(name):
        raise ConfigError(f"{name!r} is no device-tree property name", hint="Use letters, digits and ,._+?#*-")
    return name.encode() + b"\0"


@lru_cache(1024)
def _is_node_name(name: str) -> bool:
    return _NODE.fullmatch(name) is not None


@lru_cache(1024)
def _begin_node(name: str) -> bytes:
    """Return the tokens that begin a node of this name."""
    raw = name.encode() + b"\0"
    return b"\0\0\0\1" + raw + bytes(-len(raw) % 4)


def _string(text: str) -> bytes:
    if "\0" in text:
        raise ConfigError(f"a device-tree string holds a NUL: {text!r}")
    return text.encode() + b"\0"


class Node:
    """A node: properties by name, children by name, both in the order they were added.

    Nodes are made by :meth:`add`, so that each belongs to one :class:`Tree`.
    """

    __slots__ = ("_children", "_parent", "_properties", "_tree", "depth", "name")

    def __init__(self, name: str, parent: Node | None, tree: Tree) -> None:
        self.name = name
        #: How many nodes are above this one.
        self.depth: int = 0 if parent is None else parent.depth + 1
        self._parent = parent
        self._tree = tree
        self._properties: dict[str, bytes] = {}
        self._children: dict[str, Node] = {}

    # --- building

    def add(self, name: str) -> Node:
        """Return a new child called `name` (with its unit address: ``serial@10000000``).

        Raises
        ------
        ConfigError
            The name is not allowed or taken, or the tree gets deeper than 64 nodes.
        """
        if not _is_node_name(name):
            raise ConfigError(f"{name!r} is no device-tree node name", hint="Use name or name@unit-address")
        if name in self._children:
            raise ConfigError(f"{self.path} already has a node {name!r}")
        if self.depth + 1 >= MAX_DEPTH:
            raise ConfigError(f"{self.path} is {MAX_DEPTH} nodes deep, the most there may be")
        child = self._children[name] = Node(name, self, self._tree)
        return child

    def remove(self, name: str) -> None:
        """Remove the child `name` and everything below it."""
        if name not in self._children:
            raise ConfigError(f"{self.path} has no node {name!r}")
        del self._children[name]

    def __setitem__(self, name: str, value: Value) -> None:
        """Set a property.

        An int is one 32-bit cell and a node is the cell of its phandle; a sequence of those is a list of cells; a str
        or a sequence of str is NUL-terminated strings; bytes are taken as they are; True or an empty sequence is
        a property without a value.

        Raises
        ------
        ConfigError
            The name or the value cannot be in a device tree.
        """
        _property_name(name)
        # The common kinds first: a board sets two hundred properties before its machine exists.
        if isinstance(value, str):
            raw = _string(value)
        elif isinstance(value, (list, tuple)):
            raw = self._sequence(name, value)
        elif isinstance(value, Node):
            raw = _CELL.pack(self._handle(value))
        elif value is True:
            raw = b""
        elif isinstance(value, int):
            raw = self._cells(name, value, (value,))
        elif isinstance(value, (bytes, bytearray, memoryview)):
            raw = bytes(value)
        else:
            raise self._unfit(name, value)
        if name == "phandle":
            self._tree.claim_phandle(raw)
        self._properties[name] = raw

    def _sequence(self, name: str, value: Sequence[Any]) -> bytes:
        if value and type(value[0]) is str:
            if all(type(item) is str for item in value):
                return b"".join([_string(item) for item in value])
            raise self._unfit(name, value)
        return self._cells(name, value, [self._handle(item) if isinstance(item, Node) else item for item in value])

    def _cells(self, name: str, value: object, cells: Sequence[Any]) -> bytes:
        # True and False would be packed as well, and are hardly what was meant.
        if bool in map(type, cells):
            raise self._unfit(name, value)
        packer = _CELLS[len(cells)] if len(cells) < len(_CELLS) else struct.Struct(f">{len(cells)}I")
        try:
            return packer.pack(*cells)
        except struct.error:
            raise self._unfit(name, value) from None

    def _handle(self, node: Node) -> int:
        if node._tree is not self._tree:
            raise ConfigError(f"{self.path} cannot name {node.path} of another device tree")
        return node.phandle

    def _unfit(self, name: str, value: object) -> ConfigError:
        return ConfigError(
            f"{self.path}: {name} cannot be {value!r}",
            hint="Allowed are 32-bit cells, nodes, strings, bytes, lists of cells or of strings, and True",
        )

    @property
    def phandle(self) -> int:
        """int: the number by which other nodes name this one; asking gives it one."""
        raw = self._properties.get("phandle")
        if raw is None:
            number = self._tree.new_phandle()
            self._properties["phandle"] = _CELL.pack(number)
            return number
        if len(raw) != 4:
            raise ConfigError(f"{self.path}: its phandle has {len(raw)} bytes instead of 4")
        return int.from_bytes(raw, "big")

    # --- looking

    @property
    def parent(self) -> Node | None:
        """Node or None: the node above; None for the root."""
        return self._parent

    @property
    def path(self) -> str:
        """str: the full path, ``/`` for the root."""
        names: list[str] = []
        node: Node | None = self
        while node is not None and node._parent is not None:
            names.append(node.name)
            node = node._parent
        return "/" + "/".join(reversed(names))

    @property
    def properties(self) -> dict[str, bytes]:
        """dict: a copy of the properties, as bytes."""
        return dict(self._properties)

    @property
    def children(self) -> list[Node]:
        """All children, in order."""
        return list(self._children.values())

    def __getitem__(self, name: str) -> bytes:
        """Return a property's bytes; :meth:`cells` and :meth:`strings` decode them."""
        return self._properties[name]

    def __delitem__(self, name: str) -> None:
        """Remove a property."""
        del self._properties[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a property `name`."""
        return name in self._properties

    def __iter__(self) -> Iterator[Node]:
        """Go through this node and all below it, parents first."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node._children.values()))

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same properties and nodes in the same order."""
        if not isinstance(other, Node):
            return NotImplemented
        mine, theirs = list(self), list(other)
        return len(mine) == len(theirs) and all(
            a.name == b.name
            and list(a._properties.items()) == list(b._properties.items())
            and list(a._children) == list(b._children)
            for a, b in zip(mine, theirs, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Node {self.path} with {len(self._properties)} properties and {len(self._children)} nodes>"

    def child(self, name: str) -> Node | None:
        """Return the child `name`, or None."""
        return self._children.get(name)

    def cells(self, name: str) -> list[int]:
        """Return a property as 32-bit cells.

        Raises
        ------
        KeyError
            There is no such property.
        ConfigError
            Its length is no multiple of 4.
        """
        raw = self._properties[name]
        if len(raw) % 4:
            raise ConfigError(f"{self.path}: {name} has {len(raw)} bytes, which are no 32-bit cells")
        return list(struct.unpack(f">{len(raw) // 4}I", raw))

    def strings(self, name: str) -> list[str]:
        """Return a property as strings.

        Raises
        ------
        KeyError
            There is no such property.
        ConfigError
            It does not end with NUL or is no UTF-8.
        """
        raw = self._properties[name]
        if not raw or raw[-1] != 0:
            raise ConfigError(f"{self.path}: {name} is no list of strings: it does not end with NUL")
        try:
            return raw[:-1].decode().split("\0")
        except UnicodeDecodeError:
            raise ConfigError(f"{self.path}: {name} is no list of strings: it is no UTF-8") from None

    # --- writing

    def _flatten(self, out: list[bytes], names: dict[str, bytes], strings: list[bytes], used: int) -> int:
        """Append this node's tokens to `out`; `names` maps a property's name to its encoded offset in `strings`."""
        out.append(_begin_node(self.name))
        for name, raw in self._properties.items():
            at = names.get(name)
            if at is None:
                at = names[name] = used.to_bytes(4, "big")
                text = _property_name(name)
                strings.append(text)
                used += len(text)
            size = len(raw)
            out += (b"\0\0\0\3", size.to_bytes(4, "big"), at, raw)
            if size & 3:
                out.append(bytes(-size & 3))
        for child in self._children.values():
            used = child._flatten(out, names, strings, used)
        out.append(b"\0\0\0\2")
        return used

    def _print(self, out: list[str], indent: str) -> None:
        out.append(f"{indent}{self.name or '/'} {{")
        for name, raw in self._properties.items():
            out.append(f"{indent}\t{name}{_source(raw)};")
        for child in self._children.values():
            if out[-1] != f"{indent}{self.name or '/'} {{":
                out.append("")
            child._print(out, indent + "\t")
        out.append(f"{indent}}};")


class Tree(Node):
    """The root of a device tree.

    Attributes
    ----------
    reserved : list of tuple
        Memory reservations, (address, size) each.
    boot_cpu : int
        ``boot_cpuid_phys`` of the header.
    """

    __slots__ = ("_last_phandle", "boot_cpu", "reserved")

    def __init__(self) -> None:
        super().__init__("", None, self)
        self.reserved: list[tuple[int, int]] = []
        self.boot_cpu = 0
        self._last_phandle = 0

    def new_phandle(self) -> int:
        """Return a phandle that no node of the tree has yet."""
        self._last_phandle += 1
        if self._last_phandle >= 0xFFFF_FFFF:
            raise ConfigError("the device tree has no phandle left")
        return self._last_phandle

    def claim_phandle(self, raw: bytes) -> None:
        """Note a phandle that somebody chose, so that none like it is given out."""
        number = int.from_bytes(raw, "big")
        if len(raw) != 4 or not 0 < number < 0xFFFF_FFFF:
            raise ConfigError(f"a phandle is a cell from 1 to 0xfffffffe, not {raw.hex()}")
        self._last_phandle = max(self._last_phandle, number)

    def find(self, path: str) -> Node | None:
        """Return the node at a full path (``/soc/serial@10000000``), or None."""
        node: Node | None = self
        for part in path.split("/"):
            if part and node is not None:
                node = node.child(part)
        return node

    def to_blob(self, *, pad: int = 0) -> bytes:
        """Return the flattened tree (version 17).

        Parameters
        ----------
        pad : int, default 0
            Free bytes at the end, for firmware that edits the tree in place.
        """
        out: list[bytes] = []
        strings: list[bytes] = []
        self._flatten(out, {}, strings, 0)
        out.append(b"\0\0\0\x09")
        body = b"".join(out)
        text = b"".join(strings)
        reserve = b"".join([struct.pack(">QQ", *pair) for pair in [*self.reserved, (0, 0)]])
        body_at = HEADER.size + len(reserve)
        text_at = body_at + len(body)
        total = text_at + len(text) + pad
        if total > MAX_BLOB:
            raise ConfigError(f"a device tree of {total} bytes: {MAX_BLOB} is the most that kernels accept")
        header = HEADER.pack(
            MAGIC,
            total,
            body_at,
            text_at,
            HEADER.size,
            VERSION,
            COMPATIBLE_VERSION,
            self.boot_cpu,
            len(text),
            len(body),
        )
        return b"".join((header, reserve, body, text, bytes(pad)))

    def to_dts(self) -> str:
        """Return the tree as source text that ``dtc`` reads."""
        out = ["/dts-v1/;", ""]
        out += [f"/memreserve/ {address:#018x} {size:#018x};" for address, size in self.reserved]
        self._print(out, "")
        return "\n".join(out) + "\n"

    @classmethod
    def from_blob(cls, blob: bytes | bytearray | memoryview) -> Self:
        """Return the tree in a flattened blob, whoever wrote it.

        Raises
        ------
        LoadError
            The blob is damaged, of another version, larger than 2 MiB, deeper than 64 nodes, or breaks a rule of the
            specification (a name twice, a name with odd characters).
        """
        data = bytes(blob[: MAX_BLOB + 1])
        tree = cls()
        _Reader(data).fill(tree)
        return tree


class _Reader:
    """A blob and its blocks; every offset is checked before it is used."""

    def __init__(self, data: bytes) -> None:
        if len(data) < HEADER.size:
            raise _bad(f"{len(data)} bytes are less than its header")
        fields = HEADER.unpack_from(data)
        magic, total, self.at, text_at, self.reserve_at, version, oldest, self.boot_cpu, text_size, size = fields
        if magic != MAGIC:
            raise _bad(f"it begins with {magic:#010x} instead of {MAGIC:#010x}")
        if version < VERSION or oldest > VERSION:
            raise _bad(f"its version is {version}, readable from {oldest}; version {VERSION} is understood")
        if total > MAX_BLOB or total > len(data):
            raise _bad(f"it should have {total} bytes and has {len(data)}; {MAX_BLOB} is the most")
        self.end = self.at + size
        if self.at % 4 or self.at < HEADER.size or self.end > total:
            raise _bad(f"its structure block {self.at:#x}..{self.end:#x} is outside of its {total:#x} bytes")
        if text_at + text_size > total:
            raise _bad(f"its strings block {text_at:#x}..{text_at + text_size:#x} is outside of its {total:#x} bytes")
        self.data = data
        self.total = total
        self.text = data[text_at : text_at + text_size]

    def fill(self, root: Tree) -> None:
        """Fill `root` from the blob."""
        root.boot_cpu = self.boot_cpu
        self._reservations(root)
        node: Node | None = None
        done = False
        depth = 0
        names: dict[int, str] = {}
        while True:
            token = self._cell()
            if token == NOP:
                continue
            if token == BEGIN_NODE and not done:
                name = self._node_name(root=node is None)
                depth += 1
                if depth > MAX_DEPTH:
                    raise _bad(f"it nests deeper than {MAX_DEPTH} nodes")
                node = root if node is None else self._child(node, name)
            elif token == END_NODE and node is not None:
                depth -= 1
                node = node.parent
                done = node is None
            elif token == PROP and node is not None:
                self._property(root, node, names)
            elif token == END and done:
                return
            else:
                raise _bad(f"token {token:#x} at {self.at - 4:#x} cannot stand there")

    def _reservations(self, root: Tree) -> None:
        at = self.reserve_at
        if at % 8 or at < HEADER.size:
            raise _bad(f"its memory reservations are at {at:#x}")
        while True:
            if at + 16 > self.total:
                raise _bad("its memory reservations have no end")
            pair = struct.unpack_from(">QQ", self.data, at)
            if pair == (0, 0):
                return
            root.reserved.append(pair)
            at += 16

    def _cell(self) -> int:
        if self.at + 4 > self.end:
            raise _bad(f"its structure block ends at {self.end:#x} without an END token")
        value = int.from_bytes(self.data[self.at : self.at + 4], "big")
        self.at += 4
        return value

    def _node_name(self, *, root: bool) -> str:
        # Never scans beyond the longest name, so a blob without NULs costs no more than another.
        stop = self.data.find(b"\0", self.at, min(self.end, self.at + MAX_NAME + 1))
        if stop < 0:
            raise _bad(f"the node name at {self.at:#x} has no end")
        name = self.data[self.at : stop].decode("ascii", "replace")
        self.at = stop + 1 + (-(stop + 1) % 4)
        if not (root and not name) and not _NODE.fullmatch(name):
            raise _bad(f"{name!r} is no node name")
        return name

    def _child(self, node: Node, name: str) -> Node:
        if name in node._children:
            raise _bad(f"{node.path} has two nodes {name!r}")
        child = node._children[name] = Node(name, node, node._tree)
        return child

    def _property(self, root: Tree, node: Node, names: dict[int, str]) -> None:
        size = self._cell()
        offset = self._cell()
        if self.at + size > self.end:
            raise _bad(f"a property of {size} bytes at {self.at:#x} passes the end of the structure block")
        raw = self.data[self.at : self.at + size]
        self.at += size + (-size % 4)
        name = names.get(offset)
        if name is None:
            name = names[offset] = self._property_name(offset)
        if name in node._properties:
            raise _bad(f"{node.path} has two properties {name!r}")
        if name == "phandle":
            try:
                root.claim_phandle(raw)
            except ConfigError as error:
                raise _bad(f"{node.path}: {error.message}") from None
        node._properties[name] = raw

    def _property_name(self, offset: int) -> str:
        stop = self.text.find(b"\0", offset, offset + MAX_NAME + 1)
        name = self.text[offset:stop].decode("ascii", "replace") if 0 <= offset <= stop else ""
        if not _PROPERTY.fullmatch(name):
            raise _bad(f"the property name at {offset:#x} of the strings block is {name!r}")
        return name


def _bad(what: str) -> LoadError:
    return LoadError(f"this is no good device-tree blob: {what}", hint="Build it with dtc or with vmcore.devices.fdt")


def _source(raw: bytes) -> str:
    """Return a value as device-tree source, with what stands before it."""
    if not raw:
        return ""
    if raw[-1] == 0 and raw[0] != 0 and b"\0\0" not in raw and all(c == 0 or 32 <= c < 127 for c in raw):
        parts = raw[:-1].decode("ascii").replace("\\", "\\\\").replace('"', '\\"').split("\0")
        return " = " + ", ".join([f'"{part}"' for part in parts])
    if len(raw) % 4 == 0:
        return " = <" + " ".join([f"{cell:#x}" for cell in struct.unpack(f">{len(raw) // 4}I", raw)]) + ">"
    return " = [" + raw.hex(" ") + "]"
