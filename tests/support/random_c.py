"""Random C programs without undefined behaviour, for comparing tiers with each other and with the host.

A program defines ``unsigned long checksum(void)`` and nothing else that is visible. What it returns depends on the seed
alone: operations on integers are done in unsigned types, divisors, shifts, indices and conversions are guarded, loops
have known bounds, and no bit of a NaN is ever looked at. That the compiler does without fused multiply-add is up to
:data:`FLAGS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

#: What makes floating point the same on every target, and quiet what generated code is full of.
FLAGS = ("-w", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing", "-fno-sanitize=undefined")

BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "s8": 8, "s16": 16, "s32": 32, "s64": 64}
INTEGERS = list(BITS)
FLOATS = ["double", "float"]
#: Statements that a call of a function executes at most, and about as many as all calls together do.
WORK = 6_000
TOTAL = 60_000
#: How often a loop goes round.
TRIPS = (1, 2, 3, 4, 5, 7, 8, 11, 16, 23, 40, 64, 100)
EDGES = (0, 1, 2, 3, 5, 7, 8, 10, 16, 31, 63, 127, 128, 255, 256, 4095, 32767, 32768, 65535, 0x7FFF_FFFF, 0x8000_0000,
         0xFFFF_FFFF, 0x1_0000_0000, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 2, 0x5555_5555_5555_5555)  # fmt: skip
#: Elements of each type in the bytes that are seen as any of them.
PUNNED = {kind: 8 * 256 // bits for kind, bits in BITS.items()}
#: Loops of a kernel.
KERNEL_TRIPS = (9, 16, 30, 50)
#: Blocks within blocks.
MOST_DEPTH = 3
#: Functions that take two u64 and give one, called through a table.
TABLE = 4

PRELUDE = """\
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long u64;
typedef signed char s8; typedef short s16; typedef int s32; typedef long s64;
#define NOINLINE __attribute__((noinline))
static u64 sum;
static void mix(u64 v) { sum = (sum ^ v) * 0x9e3779b97f4a7c15ul; sum ^= sum >> 29; }
static u64 bits(double d) { union { double d; u64 u; } p; p.d = d; return d == d ? p.u : 0x7ff8000000000000ul; }
static u64 bitsf(float d) { union { float d; u32 u; } p; p.d = d; return d == d ? p.u : 0x7fc00000u; }
#define SIGNED(T, U, N) \\
    static T div_##T(T a, T b) { return b == 0 || b == -1 ? (T)(0 - (U)a) : a / b; } \\
    static T rem_##T(T a, T b) { return b == 0 || b == -1 ? a : a % b; } \\
    static T sar_##T(T a, U n) { return a >> (n & (N - 1)); }
SIGNED(s32, u32, 32) SIGNED(s64, u64, 64)
#define UNSIGNED(T, N) \\
    static T div_##T(T a, T b) { return b ? a / b : (T)~a; } \\
    static T rem_##T(T a, T b) { return b ? a % b : a; } \\
    static T shl_##T(T a, T n) { return a << (n & (N - 1)); } \\
    static T shr_##T(T a, T n) { return a >> (n & (N - 1)); } \\
    static T rot_##T(T a, T n) { return a << (n & (N - 1)) | a >> (-n & (N - 1)); }
UNSIGNED(u32, 32) UNSIGNED(u64, 64)
static u64 high(u64 a, u64 b) { return (u64)((unsigned __int128)a * b >> 64); }
static s64 highs(s64 a, s64 b) { return (s64)((__int128)a * b >> 64); }
#define TO(T, F, LOW, HIGH) static T T##_##F(F d) { return d > LOW && d < HIGH ? (T)d : (T)77; }
TO(s32, double, -2e9, 2e9) TO(u32, double, 0, 4e9) TO(s64, double, -9e18, 9e18) TO(u64, double, 0, 1.8e19)
TO(s32, float, -2e9f, 2e9f) TO(u32, float, 0, 4e9f) TO(s64, float, -9e18f, 9e18f) TO(u64, float, 0, 1.8e19f)
"""


@dataclass
class Array:
    """An array of the program; its length is a power of two."""

    name: str
    type: str
    length: int


@dataclass
class Function:
    """A function of the program, and what a call of it costs in statements."""

    name: str
    params: list[str]
    result: str
    cost: int = 0


@dataclass
class Kernel:
    """A function with a loop over two pointers, which may lead to the same bytes, and the types of those."""

    name: str
    types: tuple[str, str]
    cost: int


@dataclass
class Scope:
    """What a statement may use: variables it may read, those it may assign, and where it stands."""

    readable: list[tuple[str, str]]
    writable: list[tuple[str, str]]
    callable: list[Function]
    result: str
    pointers: list[tuple[str, Array]] = field(default_factory=list)
    in_loop: bool = False

    def inner(self) -> Scope:
        """Return the scope of a block within: what it declares is not seen outside."""
        return Scope(list(self.readable), list(self.writable), self.callable, self.result, list(self.pointers),
                     self.in_loop)  # fmt: skip


class _Writer:
    """Writes one program."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.names = 0
        self.arrays: list[Array] = []
        self.globals: list[tuple[str, str]] = []
        self.fields: list[tuple[str, str]] = []
        self.records = 1
        self.cost = 0
        self.table: list[Function] = []
        self.kernels: list[Kernel] = []
        self.punned: dict[str, int] = {}

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def chance(self, one_in: int) -> bool:
        return self.rng.randrange(one_in) == 0

    def type(self) -> str:
        return self.rng.choice(FLOATS) if self.chance(6) else self.rng.choice(INTEGERS)

    # --- expressions ---

    def constant(self, kind: str) -> str:
        rng = self.rng
        if kind in FLOATS:
            value = rng.choice([0.0, 1.0, -1.5, 0.1, 3.0e8, -7.25e-9, 1e19, 2.0**-30, rng.uniform(-1000, 1000)])
            return f"(({kind}){value!r})"
        value = rng.choice(EDGES) if rng.randrange(2) else rng.getrandbits(rng.choice([4, 8, 12, 16, 32, 64]))
        return f"(({kind}){value & (2 ** BITS[kind] - 1):#x}ul)"

    def convert(self, text: str, source: str, kind: str) -> str:
        if source == kind:
            return text
        if source in FLOATS and kind in BITS:
            wide = kind if kind in ("s32", "u32", "s64", "u64") else "s32"
            return f"(({kind}){wide}_{source}({text}))"
        return f"(({kind})({text}))"

    def index(self, scope: Scope, length: int) -> str:
        """Return an index below `length`."""
        known = [name for name, kind in scope.readable if kind in BITS]
        text = self.rng.choice(known) if known and not self.chance(6) else self.integer(scope, "u32", 1)
        if self.chance(3):
            text = f"((u32){text} + {self.rng.randrange(length)})"
        return f"({text}) & {length - 1}"

    def place(self, scope: Scope, kind: str | None = None) -> tuple[str, str] | None:
        """Return something in memory and its type; None: there is nothing of that `kind`."""
        found: list[Callable[[], tuple[str, str]]] = []
        for array in self.arrays:
            if kind in (None, array.type):
                found.append(lambda a=array: (f"{a.name}[{self.index(scope, a.length)}]", a.type))  # type: ignore[misc]
        for name, its in self.fields:
            if kind in (None, its):
                found.append(lambda n=name, t=its: (f"record[{self.index(scope, self.records)}].{n}", t))  # type: ignore[misc]
        for name, array in scope.pointers:
            if kind in (None, array.type):
                found.append(lambda n=name, t=array.type: (f"*{n}", t))  # type: ignore[misc]
        for name, its in self.globals:
            if kind in (None, its):
                found.append(lambda n=name, t=its: (n, t))  # type: ignore[misc]
        if self.punned and (kind is None or kind in self.punned):
            its = kind or self.rng.choice(list(self.punned))
            found.append(lambda: (f"punned.{its}_[{self.index(scope, self.punned[its])}]", its))
        return self.rng.choice(found)() if found else None

    def leaf(self, scope: Scope, kind: str) -> str:
        pick = self.rng.randrange(8)
        if pick == 0 or not scope.readable:
            return self.constant(kind)
        if pick <= 3:
            # (This comes to an end: an index is most often a variable.)
            place = self.place(scope, kind) or self.place(scope)
            assert place is not None
            return self.convert(*place, kind)
        name, its = self.rng.choice(scope.readable)
        return self.convert(name, its, kind)

    def expression(self, scope: Scope, kind: str, depth: int) -> str:
        return self.floating(scope, kind, depth) if kind in FLOATS else self.integer(scope, kind, depth)

    def condition(self, scope: Scope, depth: int = 1) -> str:
        kind = self.type() if self.chance(2) else self.rng.choice(["u32", "s32", "u64", "s64"])
        operator = self.rng.choice(["==", "!=", "<", "<=", ">", ">="])
        a, b = self.expression(scope, kind, depth), self.expression(scope, kind, depth - 1)
        text = f"({a} {operator} {b})"
        if depth and self.chance(5):
            return f"({text} {self.rng.choice(['&&', '||'])} {self.condition(scope, depth - 1)})"
        return f"(!{text})" if self.chance(8) else text

    def integer(self, scope: Scope, kind: str, depth: int) -> str:
        if depth <= 0:
            return self.leaf(scope, kind)
        rng = self.rng
        wide = "64" if rng.randrange(2) else "32"
        u, s = f"u{wide}", f"s{wide}"
        choice = rng.randrange(14)
        if choice <= 4:
            a, b = self.integer(scope, u, depth - 1), self.integer(scope, u, depth - 1)
            text = f"{a} {rng.choice(['+', '-', '*', '&', '|', '^', '+', '-'])} {b}"
        elif choice == 5:
            t = rng.choice([u, s])
            a, b = self.integer(scope, t, depth - 1), self.integer(scope, t, depth - 1)
            if self.chance(3):
                # Division by a constant becomes a multiplication.
                b = self.constant(t)
            text = f"{rng.choice(['div', 'rem'])}_{t}({a}, {b})"
        elif choice <= 7:
            a, b = self.integer(scope, u, depth - 1), self.integer(scope, u, depth - 1)
            if self.chance(2):
                b = str(rng.randrange(int(wide)))
            operator = rng.choice([f"shl_{u}", f"shr_{u}", f"rot_{u}", f"sar_{s}"])
            text = f"{operator}({a}, {b})"
        elif choice == 8:
            text = f"{rng.choice(['~', '-'])}{self.integer(scope, u, depth - 1)}"
        elif choice == 9:
            text = self.condition(scope, depth - 1)
        elif choice == 10:
            a, b = self.expression(scope, kind, depth - 1), self.expression(scope, kind, depth - 1)
            text = f"{self.condition(scope, depth - 1)} ? {a} : {b}"
        elif choice == 11:
            # Through a narrow type, and back.
            narrow = rng.choice(INTEGERS)
            text = f"({narrow}){self.integer(scope, rng.choice(INTEGERS), depth - 1)}"
        elif choice == 12:
            function, t = rng.choice([("high", "u64"), ("highs", "s64")])
            text = f"{function}({self.integer(scope, t, depth - 1)}, {self.integer(scope, t, depth - 1)})"
        else:
            source = rng.choice(FLOATS)
            if self.chance(2):
                return self.convert(self.floating(scope, source, depth - 1), source, kind)
            function = "bits" if source == "double" else "bitsf"
            text = f"{function}({self.floating(scope, source, depth - 1)})"
        return f"(({kind})({text}))"

    def floating(self, scope: Scope, kind: str, depth: int) -> str:
        if depth <= 0:
            return self.leaf(scope, kind)
        rng = self.rng
        choice = rng.randrange(9)
        if choice <= 4:
            a, b = self.floating(scope, kind, depth - 1), self.floating(scope, kind, depth - 1)
            return f"({a} {rng.choice(['+', '-', '*', '/'])} {b})"
        if choice == 5:
            end = "" if kind == "double" else "f"
            return f"__builtin_{rng.choice(['sqrt', 'fabs'])}{end}({self.floating(scope, kind, depth - 1)})"
        if choice == 6:
            return f"(-{self.floating(scope, kind, depth - 1)})"
        if choice == 7:
            a, b = self.floating(scope, kind, depth - 1), self.floating(scope, kind, depth - 1)
            return f"({self.condition(scope, depth - 1)} ? {a} : {b})"
        source = rng.choice(INTEGERS)
        return self.convert(self.integer(scope, source, depth - 1), source, kind)

    # --- statements ---

    def target(self, scope: Scope) -> tuple[str, str]:
        if scope.writable and not self.chance(3):
            return self.rng.choice(scope.writable)
        place = self.place(scope)
        assert place is not None
        return place

    def call(self, function: Function, scope: Scope, times: int) -> str:
        self.cost += function.cost * times
        return f"{function.name}({', '.join(self.expression(scope, kind, 1) for kind in function.params)})"

    def block(self, scope: Scope, depth: int, times: int, most: int = 5) -> list[str]:
        """Return statements that are executed `times` times."""
        lines: list[str] = []
        inner = scope.inner()
        for _ in range(self.rng.randrange(1, most + 1)):
            lines += self.statement(inner, depth, times)
        return ["    " + line for line in lines]

    def statement(self, scope: Scope, depth: int, times: int) -> list[str]:
        rng = self.rng
        self.cost += times
        choice = rng.randrange(20) if depth else rng.randrange(11)
        if choice <= 5:
            name, kind = self.target(scope)
            return [f"{name} = {self.expression(scope, kind, rng.choice([1, 1, 2, 2, 3]))};"]
        if choice == 6:
            name, kind = self.name("v"), self.type()
            line = f"{kind} {name} = {self.expression(scope, kind, 2)};"
            scope.readable.append((name, kind))
            scope.writable.append((name, kind))
            return [line]
        if choice == 7:
            array = rng.choice(self.arrays)
            name = self.name("p")
            line = f"{array.type} *{name} = &{array.name}[{self.index(scope, array.length)}];"
            scope.pointers.append((name, array))
            return [line]
        if choice == 8:
            return [f"mix({self.integer(scope, 'u64', 2)});"]
        if choice == 9:
            return self.calls(scope, times)
        if choice == 10:
            ends = [f"return {self.expression(scope, scope.result, 1)};"] if self.chance(4) else []
            if scope.in_loop:
                ends += ["break;", "continue;"]
            # A condition that seldom holds, so that what follows is reached.
            rare = f"({self.integer(scope, 'u32', 1)} & {rng.choice([15, 31, 63])}) == {rng.randrange(15)}"
            return [f"if ({rare}) {rng.choice(ends)}"] if ends else ["mix(1);"]
        if choice <= 13:
            lines = [f"if ({self.condition(scope)}) {{", *self.block(scope, depth - 1, times)]
            if self.chance(2):
                lines += ["} else {", *self.block(scope, depth - 1, times)]
            return [*lines, "}"]
        if choice <= 15:
            return self.switch(scope, depth, times)
        return self.loop(scope, depth, times)

    def calls(self, scope: Scope, times: int) -> list[str]:
        rng = self.rng
        if fast := [one for one in self.kernels if one.cost * times + self.cost < WORK and self.chance(2)]:
            return self.keep(self.kernel_call(rng.choice(fast), scope, times), "u64", scope)
        affordable = [one for one in scope.callable if one.cost * times + self.cost < WORK]
        if not affordable:
            return [f"mix({self.integer(scope, 'u64', 1)});"]
        if self.table and self.chance(2):
            most = max(self.table, key=lambda one: one.cost)
            if most in affordable:
                self.cost += most.cost * times
                a, b = self.integer(scope, "u64", 1), self.integer(scope, "u64", 1)
                return self.keep(f"table[{self.index(scope, TABLE)}]({a}, {b})", "u64", scope)
        function = rng.choice(affordable)
        return self.keep(self.call(function, scope, times), function.result, scope)

    def keep(self, call: str, kind: str, scope: Scope) -> list[str]:
        """Assign the result of a call: to a variable first, since the call may change what a place depends on."""
        name = self.name("v")
        place, its = self.target(scope)
        return [f"{kind} {name} = {call};", f"{place} = {self.convert(name, kind, its)};"]

    def switch(self, scope: Scope, depth: int, times: int) -> list[str]:
        rng = self.rng
        cases = rng.choice([2, 3, 5, 8])
        step = rng.choice([1, 1, 1, 3, 1000])
        lines = [f"switch ({self.integer(scope, 'u32', 1)} % {cases + 1} * {step}) {{"]
        # In here, `break` leaves the switch, not the loop, and `continue` is still the loop's.
        for case in range(cases):
            lines.append(f"case {case * step}: {{")
            lines += self.block(scope, depth - 1, times, most=2)
            lines.append("}" if self.chance(4) else "} break;")
        if self.chance(2):
            lines += ["default: {", *self.block(scope, depth - 1, times, most=2), "}"]
        return [*lines, "}"]

    def loop(self, scope: Scope, depth: int, times: int) -> list[str]:
        rng = self.rng
        fitting = [trips for trips in TRIPS if trips * times * 4 + self.cost < WORK]
        if not fitting:
            return [f"mix({self.integer(scope, 'u64', 1)});"]
        trips = rng.choice(fitting)
        name = self.name("i")
        kind = rng.choice(["u32", "u32", "s32", "u64", "s64", "u8"])
        inner = scope.inner()
        inner.readable += [(name, kind)] * 2
        inner.in_loop = True
        body = self.block(inner, depth - 1, times * trips)
        step = rng.choice([1, 1, 2])
        shape = rng.randrange(4)
        if shape == 0:
            return [f"for ({kind} {name} = {trips}; {name} > 0; {name}--) {{", *body, "}"]
        if shape == 1:
            # The counter goes on first, so that `continue` does not go round for ever.
            return [f"{{ {kind} {name} = 0; do {{ {name}++;", *body, f"}} while ({name} < {trips}); }}"]
        return [f"for ({kind} {name} = 0; {name} < {trips * step}; {name} += {step}) {{", *body, "}"]

    # --- the whole ---

    def function(self, function: Function, callable: list[Function], static: str, depth: int) -> list[str]:
        rng = self.rng
        names = [(self.name("a"), kind) for kind in function.params]
        scope = Scope(list(names), list(names), callable, function.result)
        lines = []
        for _ in range(rng.randrange(1, 5)):
            name, kind = self.name("v"), self.type()
            lines.append(f"    {kind} {name} = {self.expression(scope, kind, 1)};")
            scope.readable.append((name, kind))
            scope.writable.append((name, kind))
        self.cost = 1
        count = rng.randrange(1, 5)
        # The larger ones have a loop at least.
        loop = rng.randrange(count) if depth == MOST_DEPTH else None
        for i in range(count):
            more = self.loop(scope, depth, 1) if i == loop else self.statement(scope, depth, 1)
            lines += ["    " + line for line in more]
        function.cost = self.cost
        params = ", ".join(f"{kind} {name}" for name, kind in names) or "void"
        last = f"    return {self.expression(scope, function.result, 2)};"
        return [f"{static} {function.result} {function.name}({params})", "{", *lines, last, "}"]

    def kernel(self) -> tuple[Kernel, list[str]]:
        """Write a function that knows nothing of memory but two pointers, so that each store may change each load."""
        rng = self.rng
        one, two = rng.choice(INTEGERS), rng.choice(INTEGERS)
        if self.chance(2):
            two = one
        name, p, q = self.name("kernel"), self.name("p"), self.name("q")
        self.arrays = [Array(p, one, PUNNED[one] // 2), Array(q, two, PUNNED[two] // 2)]
        kind = rng.choice(["u32", "u64", "s32", "s64"])
        scope = Scope([("i", "u32"), ("i", "u32"), ("x", "u64"), ("y", kind)], [("y", kind)], [], "u64")
        scope.in_loop = True
        trips = rng.choice(KERNEL_TRIPS)
        self.cost = 0
        body = []
        for _ in range(rng.randrange(2, 6)):
            if self.chance(3):
                body += self.statement(scope, 1, trips)
                continue
            # The same place read before and after another was written.
            place, its = self.target(scope)
            seen, other = rng.choice(self.arrays), rng.choice(self.arrays)
            index = self.index(scope, seen.length)
            body += [f"x = x * 5 + (u64){seen.name}[{index}];",
                     f"{other.name}[{self.index(scope, other.length)}] = {self.expression(scope, other.type, 2)};",
                     f"x ^= (u64){seen.name}[{index}];", f"{place} = {self.expression(scope, its, 1)};"]  # fmt: skip
            self.cost += 4 * trips
        self.arrays = []
        return Kernel(name, (one, two), self.cost), [
            f"static NOINLINE u64 {name}({one} *{p}, {two} *{q}, u64 x)", "{", f"    {kind} y = ({kind})x;",
            f"    for (u32 i = 0; i < {trips}; i++) {{", *("        " + line for line in body), "    }",
            "    return x ^ (u64)y;", "}",
        ]  # fmt: skip

    def kernel_call(self, kernel: Kernel, scope: Scope, times: int) -> str:
        """Return a call of a kernel, on bytes that overlap."""
        self.cost += kernel.cost * times
        pointers = [f"&punned.{kind}_[{self.index(scope, PUNNED[kind] // 2)}]" for kind in kernel.types]
        return f"{kernel.name}({', '.join(pointers)}, {self.integer(scope, 'u64', 1)})"

    def recursive(self, leaf: Function) -> tuple[Function, list[str]]:
        """Return a function that calls itself: its first argument says how deep, eight times at most."""
        name = self.name("rec")
        scope = Scope([("x", "u64")], [], [], "u64")
        arguments = ", ".join(self.expression(scope, kind, 1) for kind in leaf.params)
        first = self.integer(scope, "u64", 2)
        lines = [f"    u64 y = {name}(n - 1, {first});"]
        if self.chance(2):
            # In a statement of its own: the order of two calls within an expression is not known.
            lines.append(f"    y ^= {name}((n - 1) >> 1, x + n);")
        return Function(name, ["u64", "u64"], "u64", 30 * (leaf.cost + 1)), [
            f"static NOINLINE u64 {name}(u64 n, u64 x)", "{", "    n &= 7;",
            f"    if (n == 0) return (u64){self.convert(f'{leaf.name}({arguments})', leaf.result, 'u64')};",
            *lines, "    return y;", "}",
        ]  # fmt: skip

    def program(self) -> str:
        rng = self.rng
        lines = []
        kernels = [self.kernel() for _ in range(3)]
        self.kernels = [one for one, _ in kernels]
        self.punned = PUNNED
        for kind in [*rng.sample(INTEGERS, 4), rng.choice(INTEGERS), rng.choice(FLOATS)]:
            self.arrays.append(Array(self.name("g"), kind, rng.choice([2, 4, 8, 16, 32, 64, 256])))
        for array in self.arrays:
            first = ", ".join(self.constant(array.type) for _ in range(min(array.length, 8)))
            lines.append(f"static {array.type} {array.name}[{array.length}] = {{{first}}};")
        self.globals = [(self.name("w"), self.type()) for _ in range(4)]
        lines += [f"static {kind} {name} = {self.constant(kind)};" for name, kind in self.globals]
        self.fields = [(self.name("f"), self.type()) for _ in range(rng.randrange(3, 7))]
        self.records = rng.choice([2, 8, 32])
        inside = " ".join(f"{kind} {name};" for name, kind in self.fields)
        lines.append(f"static struct {{ {inside} }} record[{self.records}];")
        inside = " ".join(f"{kind} {kind}_[{length}];" for kind, length in PUNNED.items())
        lines.append(f"static union {{ {inside} }} punned;")
        for _, text in kernels:
            lines += text

        made: list[Function] = []
        for _ in range(TABLE):
            one = Function(self.name("t"), ["u64", "u64"], "u64")
            lines += self.function(one, [], "static NOINLINE", rng.randrange(3))
            self.table.append(one)
        pointers = ", ".join(one.name for one in self.table)
        # Volatile, so that the compiler does not know who is called.
        lines.append(f"static u64 (*volatile table[{TABLE}])(u64, u64) = {{{pointers}}};")
        made += self.table
        if cheap := [one for one in made if one.cost < WORK // 200]:
            function, text = self.recursive(rng.choice(cheap))
            lines += text
            made.append(function)
        for _ in range(rng.randrange(2, 6)):
            one = Function(self.name("f"), [self.type() for _ in range(rng.randrange(10))], self.type())
            lines += self.function(one, made, rng.choice(["static", "static NOINLINE"]), MOST_DEPTH)
            made = [*made, one]
        lines += self.checksum(made)
        return PRELUDE + "\n".join(lines) + "\n"

    def checksum(self, made: list[Function]) -> list[str]:
        scope = Scope([("round", "u32")], [], made, "u64")
        called = made[TABLE:]
        rounds = max(1, min(500, TOTAL // (sum(one.cost for one in called) + sum(one.cost for one in self.kernels))))
        lines = ["unsigned long checksum(void)", "{", f"    for (u32 round = 0; round < {rounds}; round++) {{"]
        for one in called:
            call = self.convert(self.call(one, scope, rounds), one.result, "u64")
            lines.append(f"        mix((u64){call});")
        lines += [f"        mix({self.kernel_call(one, scope, rounds)});" for one in self.kernels]
        lines.append("    }")
        for array in self.arrays:
            lines.append(f"    for (u32 i = 0; i < {array.length}; i++) {self.seen(f'{array.name}[i]', array.type)}")
        for name, kind in self.globals:
            lines.append(f"    {self.seen(name, kind)}")
        for name, kind in self.fields:
            lines.append(f"    for (u32 i = 0; i < {self.records}; i++) {self.seen(f'record[i].{name}', kind)}")
        lines.append(f"    for (u32 i = 0; i < {PUNNED['u64']}; i++) mix(punned.u64_[i]);")
        return [*lines, "    return sum;", "}"]

    def seen(self, place: str, kind: str) -> str:
        return f"mix({ {'double': 'bits', 'float': 'bitsf'}.get(kind, '(u64)') }({place}));"


def program(rng: Random) -> str:
    """Return the C text of a program, the same for the same state of `rng`."""
    return _Writer(rng).program()
