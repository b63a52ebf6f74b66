"""Graphs of regions as :mod:`vmcore._fast.jit.t2.liftface` shows them: checked, and executed one node after the other.

The evaluator is written for the tests alone, from the description of the operations; it shares nothing with the
compiler. It can be told to leave at the n-th place where a region may be left, so each snapshot is put to the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.ieee754 import FORMATS, evaluate

M64 = 2**64 - 1
M32 = 2**32 - 1
GOTO, BRANCH, LEAVE, LEAVE_TO = 1, 2, 3, 4
NEXT, STEP = 0, 1
WRITE, SIGNED = 1, 2
PINNED = (2, 8, 9, 10, 11, 12, 13, 14, 15, 16)
#: More instructions than a region may execute between two polls.
MOST_UNCOUNTED = 64
LEAVING = ("host", "poll", "leave_if", "fpu")
INT, F64, F32 = 1, 2, 3
DYNAMIC = 7
PREFIX = {F64: "f64", F32: "f32"}
#: A NaN as arithmetic may give it: it has a sign, bits of its own, and as a double it looks like a boxed single.
LOOSE = {F64: 0xFFFF_FFFF_FFC1_2345, F32: 0xFFC1_2345}
ARITHMETIC = {"fadd": "add", "fsub": "sub", "fmul": "mul", "fdiv": "div", "fsqrt": "sqrt", "fmin": "min", "fmax": "max"}
FUSED = {"fmadd": (0, 0), "fmsub": (0, 1), "fnmsub": (1, 0), "fnmadd": (1, 1)}
COMPARED = {"feq": "eq", "flt": "lt", "fle": "le"}

Graph = dict[str, Any]


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def divide(a: int, b: int, bits: int, *, is_signed: bool, remainder: bool) -> int:
    a, b = (signed(a, bits), signed(b, bits)) if is_signed else (a & (1 << bits) - 1, b & (1 << bits) - 1)
    if b == 0:
        return a if remainder else -1
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return a - quotient * b if remainder else quotient


def rotr(a: int, n: int, bits: int) -> int:
    a &= (1 << bits) - 1
    n %= bits
    return a >> n | a << (bits - n)


def clz(a: int, bits: int) -> int:
    return bits - (a & (1 << bits) - 1).bit_length()


def ctz(a: int, bits: int) -> int:
    a &= (1 << bits) - 1
    return (a & -a).bit_length() - 1 if a else bits


def orcb(a: int) -> int:
    return sum(0xFF << i for i in range(0, 64, 8) if a >> i & 0xFF)


#: The pure operations on integers; results are taken modulo 2 ** 64.
INTEGER: dict[str, Callable[..., int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << (b & 63),
    "shr": lambda a, b: a >> (b & 63),
    "sar": lambda a, b: signed(a) >> (b & 63),
    "rotr": lambda a, b: rotr(a, b, 64),
    "neg": lambda a: -a,
    "not": lambda a: ~a,
    "mulh": lambda a, b: signed(a) * signed(b) >> 64,
    "mulhu": lambda a, b: a * b >> 64,
    "mulhsu": lambda a, b: signed(a) * b >> 64,
    "div": lambda a, b: divide(a, b, 64, is_signed=True, remainder=False),
    "divu": lambda a, b: divide(a, b, 64, is_signed=False, remainder=False),
    "rem": lambda a, b: divide(a, b, 64, is_signed=True, remainder=True),
    "remu": lambda a, b: divide(a, b, 64, is_signed=False, remainder=True),
    "shl32": lambda a, b: signed(a << (b & 31), 32),
    "shr32": lambda a, b: signed((a & M32) >> (b & 31), 32),
    "sar32": lambda a, b: signed(a, 32) >> (b & 31),
    "rotr32": lambda a, b: signed(rotr(a, b, 32), 32),
    "div32": lambda a, b: signed(divide(a, b, 32, is_signed=True, remainder=False), 32),
    "divu32": lambda a, b: signed(divide(a, b, 32, is_signed=False, remainder=False), 32),
    "rem32": lambda a, b: signed(divide(a, b, 32, is_signed=True, remainder=True), 32),
    "remu32": lambda a, b: signed(divide(a, b, 32, is_signed=False, remainder=True), 32),
    "sext8": lambda a: signed(a, 8),
    "sext16": lambda a: signed(a, 16),
    "sext32": lambda a: signed(a, 32),
    "zext8": lambda a: a & 0xFF,
    "zext16": lambda a: a & 0xFFFF,
    "zext32": lambda a: a & M32,
    "clz": lambda a: clz(a, 64),
    "ctz": lambda a: ctz(a, 64),
    "popcnt": lambda a: a.bit_count(),
    "clz32": lambda a: clz(a, 32),
    "ctz32": lambda a: ctz(a, 32),
    "popcnt32": lambda a: (a & M32).bit_count(),
    "bswap": lambda a: int.from_bytes(a.to_bytes(8, "little"), "big"),
    "orcb": orcb,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: signed(a) < signed(b),
    "ge": lambda a, b: signed(a) >= signed(b),
    "ltu": lambda a, b: a < b,
    "geu": lambda a, b: a >= b,
    "select": lambda a, b, c: b if a else c,
}


def is_nan(value: int, kind: int) -> bool:
    form = FORMATS[PREFIX[kind]]
    return value & (form.sign - 1) > form.infinity


def floating(op: str, node: dict[str, Any], kind: int, args: list[int], frm: int) -> tuple[int, int]:
    """Return the result of an operation on floating point, and its flags. `kind`: the type of its operands."""
    rm = frm if node["mode"] == DYNAMIC else node["mode"]
    result = node["type"]
    if op == "f_int":
        return evaluate(f"{PREFIX[result]}_from_{'i' if node['flags'] & SIGNED else 'u'}{8 * node['size']}",
                        args[0] & (1 << 8 * node["size"]) - 1, rm=rm)  # fmt: skip
    prefix = PREFIX[kind]
    if op == "int_f":
        return evaluate(f"{prefix}_to_{'i' if node['flags'] & SIGNED else 'u'}{8 * node['size']}", args[0], rm=rm)
    if op in COMPARED:
        return evaluate(f"{prefix}_{COMPARED[op]}", *args)
    if op in FUSED:
        sign = FORMATS[prefix].sign
        product, addend = FUSED[op]
        # Canonical always.
        return evaluate(f"{prefix}_fma", args[0] ^ sign * product, args[1], args[2] ^ sign * addend, rm=rm)
    if op in ("f64_f32", "f32_f64"):
        value, flags = evaluate(f"{prefix}_to_{PREFIX[result]}", args[0], rm=rm)
    else:
        value, flags = evaluate(f"{prefix}_{ARITHMETIC[op]}", *args, rm=rm)
    return (LOOSE[result] if is_nan(value, result) else value), flags


def floating_bits(op: str, kind: int, result: int, args: list[int]) -> int:
    """Return the result of an operation that moves bits of floating point."""
    if op == "box":
        return args[0] | M64 ^ M32
    if op == "unbox":
        return args[0] & M32 if args[0] >> 32 == M32 else FORMATS["f32"].nan
    if op == "bits":
        return signed(args[0], 32) & M64 if kind == F32 else args[0]
    if op == "frombits":
        return args[0] & M32 if result == F32 else args[0]
    form = FORMATS[PREFIX[result]]
    if op == "fclean":
        return form.nan if is_nan(args[0], result) else args[0]
    other = {"fsgnj": args[1], "fsgnjn": ~args[1], "fsgnjx": args[0] ^ args[1]}[op]
    return args[0] & (form.sign - 1) | other & form.sign


BITS = ("box", "unbox", "bits", "frombits", "fclean", "fsgnj", "fsgnjn", "fsgnjx")


@dataclass
class Left:
    """Where a region was left, and in which state."""

    pc: int
    kind: int
    executed: int
    x: list[int]
    f: list[int]
    flags: int
    dirty: bool
    places: int


@dataclass
class Memory:
    """Bytes that accesses may touch: from `base` on; everything else misses."""

    base: int
    data: bytearray = field(default_factory=bytearray)

    def has(self, address: int, size: int) -> bool:
        return self.base <= address and address + size <= self.base + len(self.data) and (
            address // 4096 == (address + size - 1) // 4096)


def operands(graph: Graph, number: int) -> list[int]:
    node = graph["nodes"][number]
    return [node[name] for name in "abc" if node[name]]


def snapshots(graph: Graph) -> list[dict[str, Any]]:
    return [one["snap"] for kind in ("nodes", "blocks") for one in graph[kind].values() if one["snap"]]


def check(graph: Graph) -> None:
    """Assert what every graph fresh from lifting is like.

    Each use is dominated by its definition, the arguments of each edge are as many as its block's, no edge is critical,
    every cycle has a poll, and no way has more than :data:`MOST_UNCOUNTED` instructions without one.
    """
    blocks, nodes = graph["blocks"], graph["nodes"]
    preds: dict[int, list[int]] = {number: [] for number in blocks}
    for number, block in blocks.items():
        assert len(block["edges"]) == {GOTO: 1, BRANCH: 2, LEAVE: 0, LEAVE_TO: 0}[block["end"]]
        assert (block["snap"] is not None) == (block["end"] in (LEAVE, LEAVE_TO))
        for to, _ in block["edges"]:
            preds[to].append(number)
    assert not preds[1]
    for number, block in blocks.items():
        args = [n for n in block["nodes"] if nodes[n]["op"] == "arg"]
        assert block["nodes"][: len(args)] == args
        assert [nodes[n]["imm"] for n in args] == list(range(len(args)))
        for to, given in block["edges"]:
            target = [n for n in blocks[to]["nodes"] if nodes[n]["op"] == "arg"]
            assert [nodes[n]["type"] for n in given] == [nodes[n]["type"] for n in target]
            assert len(block["edges"]) == 1 or len(preds[to]) == 1, f"the edge {number} -> {to} is critical"
            assert len(preds[to]) > 1 or to == min(blocks) + 1 or not target
    check_dominance(graph, preds)
    for snap in snapshots(graph):
        assert set(PINNED) <= set(snap["regs"])
        for register, value in snap["regs"].items():
            node = nodes[value]
            pinned = register in PINNED or register >= 32
            assert pinned or not (node["op"] == "entry" and node["imm"] == register)
            assert node["type"] == (F64 if register >= 32 else INT)


def check_dominance(graph: Graph, preds: dict[int, list[int]]) -> None:
    blocks = graph["blocks"]
    known: dict[int, set[int] | None] = dict.fromkeys(blocks)
    known[1] = set()
    changed = True
    while changed:
        changed = False
        for number, block in blocks.items():
            come = [known[p] for p in preds[number] if known[p] is not None]
            if number != 1 and not come:
                continue
            before = set.intersection(*come) if come else set()  # type: ignore[arg-type]
            after = before | set(block["nodes"])
            if known[number] != after:
                known[number] = after
                changed = True
    for number, block in blocks.items():
        have = known[number]
        assert have is not None, f"block {number} is not reached"
        seen = have - set(block["nodes"])
        for n in block["nodes"]:
            snap = graph["nodes"][n]["snap"]
            uses = operands(graph, n) + (list(snap["regs"].values()) if snap else [])
            assert set(uses) <= seen, f"node {n} of block {number} uses what is not there"
            seen.add(n)
        uses = [value for _, given in block["edges"] for value in given]
        uses += list(block["snap"]["regs"].values()) if block["snap"] else []
        uses += [block["cond"]] if block["cond"] else []
        assert set(uses) <= seen, f"the end of block {number} uses what is not there"


class Machine:
    """Executes a graph.

    Parameters
    ----------
    graph : dict
        From ``Former.lift``.
    page : int
        Virtual address of its page.
    x : list of int
        Registers at the entry.
    memory : Memory
    f : list of int
        Floating-point registers at the entry.
    frm : int
        Rounding mode.
    """

    def __init__(self, graph: Graph, page: int, x: list[int], memory: Memory, f: list[int], frm: int = 0) -> None:
        self.graph, self.page, self.x, self.memory = graph, page, list(x), memory
        self.f, self.frm, self.flags, self.dirty = list(f), frm, 0, False
        self.values: dict[int, int] = {}
        self.counted = 0
        self.places = 0

    def leave(self, snap: dict[str, Any], pc: int | None = None) -> Left:
        both = self.x + self.f
        for register, node in snap["regs"].items():
            both[register] = self.values[node]
        pc = self.page + snap["off"] if pc is None else pc
        return Left(pc & M64, snap["kind"], self.counted + snap["count"], both[:32], both[32:], self.flags, self.dirty,
                    self.places)  # fmt: skip

    def run(self, *, leave_at: int | None = None, budget: int = 10_000) -> Left:
        """Run until it leaves: at the `leave_at`-th place where it may, or when more than `budget` was counted."""
        graph, values = self.graph, self.values
        number = 1
        since = 0
        while True:
            block = graph["blocks"][number]
            for n in block["nodes"]:
                node = graph["nodes"][n]
                op = node["op"]
                if op in LEAVING:
                    self.places += 1
                if op == "poll":
                    assert since + node["imm"] <= MOST_UNCOUNTED
                    since = 0
                    self.counted += node["imm"]
                elif op == "count":
                    since += node["imm"]
                    assert since <= MOST_UNCOUNTED
                    self.counted += node["imm"]
                if op in LEAVING and self.must_leave(node, leave_at == self.places, budget):
                    assert since + node["snap"]["count"] <= MOST_UNCOUNTED
                    return self.leave(node["snap"])
                self.execute(n, node)
            if block["end"] in (LEAVE, LEAVE_TO):
                return self.leave(block["snap"], values[block["cond"]] if block["end"] == LEAVE_TO else None)
            taken = block["end"] == GOTO or values[block["cond"]] != 0
            to, given = block["edges"][0 if taken else 1]
            passed = [values[value] for value in given]
            args = [n for n in graph["blocks"][to]["nodes"] if graph["nodes"][n]["op"] == "arg"]
            values.update(zip(args, passed, strict=True))
            number = to

    def must_leave(self, node: dict[str, Any], told: bool, budget: int) -> bool:
        if node["op"] == "leave_if":
            return self.values[node["a"]] != 0
        if node["op"] == "fpu":
            return told
        if node["op"] == "poll":
            return told or self.counted > budget
        return told or not self.memory.has((self.values[node["a"]] + node["imm"]) & M64, node["size"])

    def execute(self, n: int, node: dict[str, Any]) -> None:
        values, op, data = self.values, node["op"], self.memory.data
        if op == "const":
            values[n] = node["imm"] & M64
        elif op == "base":
            values[n] = self.page
        elif op == "entry":
            values[n] = (self.x + self.f)[node["imm"]]
        elif op == "host":
            # What is added to a guest's address is an index into the bytes.
            values[n] = -self.memory.base & M64
        elif op in ("load", "store"):
            host = self.graph["nodes"][node["a"]]
            assert host["op"] == "host" and host["a"] == node["b"]
            assert host["imm"] <= node["imm"] and node["imm"] + node["size"] <= host["imm"] + host["size"]
            at = (values[node["a"]] + values[node["b"]] + node["imm"]) & M64
            if op == "load":
                values[n] = int.from_bytes(data[at : at + node["size"]], "little",
                                           signed=bool(node["flags"] & SIGNED)) & M64  # fmt: skip
            else:
                assert host["flags"] & WRITE
                value = values[node["c"]] & (1 << 8 * node["size"]) - 1
                data[at : at + node["size"]] = value.to_bytes(node["size"], "little")
        elif op == "dirty":
            self.dirty = True
        elif op in BITS:
            kind = self.graph["nodes"][node["a"]]["type"]
            values[n] = floating_bits(op, kind, node["type"], [values[one] for one in operands(self.graph, n)])
        elif (op.startswith("f") and op != "fpu") or op == "int_f":
            kind = self.graph["nodes"][node["a"]]["type"]
            values[n], flags = floating(op, node, kind, [values[one] for one in operands(self.graph, n)], self.frm)
            self.flags |= flags
        elif op in INTEGER:
            values[n] = INTEGER[op](*(values[one] for one in operands(self.graph, n))) & M64
        else:
            assert op in ("arg", *LEAVING, "count"), op
