"""Random regions as text: loops and branches over random expressions, with memory, polls and snapshots."""

from __future__ import annotations

from random import Random

M64 = 2**64 - 1
MEMORY = 256
BASE = 0x7000
UNARY = ("neg", "not", "sext8", "sext16", "sext32", "zext8", "zext16", "zext32", "clz", "ctz32", "popcnt", "bswap",
         "orcb")  # fmt: skip
BINARY = ("add", "sub", "mul", "and", "or", "xor", "shl", "shr", "sar", "rotr", "mulhu", "mulh", "div", "divu", "rem",
          "remu", "shl32", "shr32", "sar32", "rotr32", "divu32", "rem32", "eq", "ne", "lt", "ge",
          "ltu", "geu")  # fmt: skip
#: What guests do most, so that rules meet.
COMMON = ("add", "add", "sext32", "sext32", "and", "shl", "shr", "sar", "zext32", "lt", "ltu", "eq", "sub", "or", "xor")
CONSTANTS = (0, 1, -1, 2, 3, 4, 8, 16, 31, 32, 33, 48, 56, 63, 255, 0xFFFF, 0xFFFFFFFF, 2**31, -(2**31), 0x7FFFFFFF,
             M64 >> 1)  # fmt: skip


class Writer:
    """Writes one region; what a seed gives is always the same."""

    def __init__(self, seed: int, *, loops: int = 2, nodes: int = 12) -> None:
        self.rng = Random(seed)
        self.lines: list[str] = []
        self.nodes = nodes
        self.next_node, self.next_block = 100, 2
        self.begin("b1")
        self.values = [self.made(f"entry x{register}") for register in (10, 11, 12, 13)]
        self.values.append(self.made("base"))
        for _ in range(loops):
            self.rng.choice((self.loop, self.diamond, self.machine))()
        self.some(self.nodes)
        how = f"leave_to {self.value()}" if self.rng.random() < 0.3 else "leave"
        self.lines.append(f"  {how} {self.snap()}")
        self.text = "\n".join(self.lines) + "\n"

    def begin(self, header: str) -> None:
        self.lines.append(f"{header}:")

    def made(self, what: str) -> str:
        self.next_node += 1
        self.lines.append(f"  v{self.next_node} = {what}")
        return f"v{self.next_node}"

    def block(self) -> str:
        self.next_block += 1
        return f"b{self.next_block}"

    def value(self) -> str:
        # Recent ones mostly, so that expressions grow deep.
        if self.rng.random() < 0.25:
            return str(self.rng.choice(CONSTANTS))
        return self.rng.choice(self.values[-6:] if self.rng.random() < 0.7 else self.values)

    def snap(self, kind: str = "next") -> str:
        registers = sorted(self.rng.sample(range(5, 32), self.rng.randint(1, 5)))
        inside = "".join(f" x{register}={self.value()}" for register in registers)
        return f"[{kind} {self.rng.randrange(0, 4096, 2):#x} count {self.rng.randint(0, 5)}:{inside}]"

    def some(self, count: int) -> None:
        for _ in range(count):
            kind = self.rng.random()
            if kind < 0.06:
                self.access()
            elif kind < 0.09:
                self.lines.append(f"  leave_if {self.made(f'ltu {self.value()}, 3')} {self.snap()}")
            elif kind < 0.14:
                self.idiom()
            elif kind < 0.16:
                self.lines.append(f"  count #{self.rng.randint(1, 9)}")
            elif kind < 0.19:
                self.values.append(self.made(f"select.int {self.value()}, {self.value()}, {self.value()}"))
            else:
                self.expression()

    def expression(self) -> None:
        op = self.rng.choice(COMMON if self.rng.random() < 0.6 else UNARY + BINARY)
        operands = [self.value()] if op in UNARY else [self.value(), self.value()]
        self.values.append(self.made(f"{op} {', '.join(operands)}"))

    def idiom(self) -> None:
        """Rotations and extensions as compilers write them."""
        value, by = self.value(), self.rng.randint(1, 31)
        if self.rng.random() < 0.5:
            down = self.made(f"shr32 {value}, {by}")
            up = self.made(f"shl {value}, {32 - by}")
            both = self.made(f"{self.rng.choice(('or', 'xor', 'add'))} {down}, {up}")
        else:
            up = self.made(f"shl {value}, {self.rng.choice((32, 48, 56))}")
            both = self.made(f"{self.rng.choice(('shr', 'sar'))} {up}, {self.rng.choice((30, 32, 48, 56))}")
        self.values.append(self.made(f"sext32 {both}") if self.rng.random() < 0.7 else both)

    def access(self) -> None:
        size = self.rng.choice((1, 2, 4, 8))
        inside = self.made(f"and {self.value()}, {MEMORY - 32}")
        address = self.made(f"add {inside}, {BASE}")
        offset = self.rng.randint(0, 16)
        host = self.made(f"host {address} #{offset} size {size} write {self.snap('step')}")
        if self.rng.random() < 0.5:
            self.lines.append(f"  store {host}, {address}, {self.value()} #{offset} size {size}")
        else:
            signed = self.rng.choice((" signed", ""))
            self.values.append(self.made(f"load.int {host}, {address} #{offset} size {size}{signed}"))

    def loop(self) -> None:
        """A loop that is executed a few times, with arguments that change, or do not."""
        header, body, out = self.block(), self.block(), self.block()
        given = ["0"] + [self.value() for _ in range(self.rng.randint(1, 4))]
        self.lines.append(f"  goto {header}({', '.join(given)})")
        args = []
        for _ in given:
            self.next_node += 1
            args.append(f"v{self.next_node}")
        self.begin(f"{header}({', '.join(f'{arg}.int' for arg in args)})")
        outer = list(self.values)
        self.values += args
        self.some(self.nodes // 2)
        self.lines.append(f"  poll #{self.rng.randint(1, 9)} {self.snap()}")
        step = self.made(f"add {args[0]}, 1")
        if self.rng.random() < 0.5:
            step = self.made(f"sext32 {step}")
        again = self.made(f"lt {step}, {self.rng.randint(1, 9)}")
        self.lines.append(f"  branch {again}, {body}, {out}")
        inside = list(self.values)
        self.begin(body)
        self.some(self.nodes // 3)
        pairs = zip(args[1:], given[1:], strict=True)
        back = [step] + [self.rng.choice((arg, self.value(), before)) for arg, before in pairs]
        self.lines.append(f"  goto {header}({', '.join(back)})")
        self.values = inside if self.rng.random() < 0.7 else outer
        self.begin(out)

    def machine(self) -> None:
        """A loop over a state, which says where to go, and which each way sets: to a constant mostly."""
        header, out = self.block(), self.block()
        arms = [self.block() for _ in range(self.rng.randint(2, 4))]
        self.lines.append(f"  goto {header}({self.rng.choice(('0', self.value()))}, 0, {self.value()})")
        state, turn, other = (f"v{self.next_node + number}" for number in (1, 2, 3))
        self.next_node += 3
        self.begin(f"{header}({state}.int, {turn}.int, {other}.int)")
        self.values += [state, other]
        self.some(2)
        self.lines.append(f"  poll #{self.rng.randint(1, 9)} {self.snap()}")
        step = self.made(f"add {turn}, 1")
        again = self.made(f"lt {step}, {self.rng.randint(2, 12)}")
        look = self.block()
        self.lines.append(f"  branch {again}, {look}, {out}")
        inside = list(self.values)
        self.begin(look)
        for number, arm in enumerate(arms[:-1]):
            following = self.block()
            wanted = self.made(self.rng.choice((f"eq {state}, {number}", f"ltu {state}, {number + 1}")))
            self.lines.append(f"  branch {wanted}, {arm}, {following}")
            self.begin(following)
            self.some(1)
        self.lines.append(f"  goto {arms[-1]}")
        before = list(self.values)
        for number, arm in enumerate(arms):
            self.values = before[:6]
            self.begin(arm)
            self.some(self.nodes // 4)
            then = self.rng.choice((str(self.rng.randrange(len(arms))), str(number), state, self.value()))
            self.lines.append(f"  goto {header}({then}, {step}, {self.value()})")
        self.values = inside
        self.begin(out)

    def diamond(self) -> None:
        """Two ways that meet."""
        one, two, meet = self.block(), self.block(), self.block()
        self.lines.append(f"  branch {self.value()}, {one}, {two}")
        before = list(self.values)
        count = self.rng.randint(0, 3)
        for block in (one, two):
            self.values = list(before)
            self.begin(block)
            self.some(self.nodes // 3)
            given = [self.value() for _ in range(count)]
            self.lines.append(f"  goto {meet}({', '.join(given)})" if given else f"  goto {meet}")
        args = []
        for _ in range(count):
            self.next_node += 1
            args.append(f"v{self.next_node}")
        self.values = before + args
        self.begin(f"{meet}({', '.join(f'{arg}.int' for arg in args)})" if args else meet)


def random_region(seed: int, **shape: int) -> str:
    """The text of a region."""
    return Writer(seed, **shape).text
