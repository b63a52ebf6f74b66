"""Random regions as programs make them: variables that are set to constants here and there, and looked at elsewhere.

Loops with several ways back, branches, switches; what a variable is where ways meet is an argument there, or, if it is
the same on all of them, perhaps not. So values of one turn are used in the next one beside their successors, and states
are known on some ways and not on others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from support.ir_random import BASE, MEMORY

BINARY = ("add", "sub", "xor", "and", "or", "shl", "shr", "eq", "ltu", "lt", "ne")
VARIABLES = 4
#: Of these the first ones are set to constants, and looked at.
STATES = 3


@dataclass
class Block:
    """One block: what is in it, which variables are its arguments, and the ways that lead to it."""

    number: int
    lines: list[str] = field(default_factory=list)
    args: dict[int, str] = field(default_factory=dict)
    end: str = ""
    ways: list[tuple[Block, list[str]]] = field(default_factory=list)
    came: list[list[str]] = field(default_factory=list)

    def text(self) -> str:
        """Return it as a region has it."""
        args = ", ".join(f"{arg}.int" for arg in self.args.values())
        ways = (f"b{to.number}({', '.join(env[n] for n in to.args)})" if to.args else f"b{to.number}"
                for to, env in self.ways)  # fmt: skip
        head = f"b{self.number}({args}):" if args else f"b{self.number}:"
        return "\n".join([head, *self.lines, f"  {self.end}{', '.join(ways)}"])


class Program:
    """Writes one; what a seed gives is always the same."""

    def __init__(self, seed: int, *, blocks: int = 30, keep: float = 0.5) -> None:
        self.rng = Random(seed)
        self.most, self.keep = blocks, keep
        self.blocks: list[Block] = []
        self.made = 0
        self.here = self.new()
        self.values = [self.make(f"entry x{register}") for register in (10, 11, 12, 13)]
        self.env = [self.rng.choice([*self.values, "0", "1", "2"]) for _ in range(VARIABLES)]
        self.around: list[Block] = []
        self.ended = False
        self.some_of_it(0)
        if not self.ended:
            self.leave()
        self.text = "\n".join(block.text() for block in self.blocks if block.came or block.number == 1) + "\n"

    def new(self) -> Block:
        self.blocks.append(Block(len(self.blocks) + 1))
        return self.blocks[-1]

    def value_name(self) -> str:
        self.made += 1
        return f"v{self.made}"

    def make(self, what: str) -> str:
        name = self.value_name()
        self.here.lines.append(f"  {name} = {what}")
        return name

    def value(self) -> str:
        kind = self.rng.random()
        if kind < 0.2:
            return str(self.rng.choice((0, 1, 2, 3, 4, 5, 7, 8, -1)))
        return self.rng.choice(self.env if kind < 0.65 else self.values[-8:])

    def snap(self, kind: str = "next") -> str:
        registers = sorted(self.rng.sample(range(5, 32), self.rng.randint(1, 4)))
        inside = "".join(f" x{register}={self.value()}" for register in registers)
        return f"[{kind} {self.rng.randrange(0, 4096, 2):#x} count {self.rng.randint(0, 5)}:{inside}]"

    # --- what blocks end with -----------------------------------------------------------------------------------------

    def go(self, to: Block) -> None:
        self.here.end, self.here.ways = "goto ", [(to, list(self.env))]
        to.came.append(list(self.env))

    def branch(self, one: Block, other: Block) -> None:
        kind = self.rng.random()
        if kind < 0.8:
            state = self.env[self.rng.randrange(STATES)]
            cond = self.make(f"{self.rng.choice(('eq', 'ltu', 'ne', 'lt'))} {state}, {self.rng.randrange(5)}")
        else:
            cond = self.value()
        self.here.end = f"branch {cond}, "
        self.here.ways = [(one, list(self.env)), (other, list(self.env))]
        one.came.append(list(self.env))
        other.came.append(list(self.env))

    def leave(self) -> None:
        all_of_it = "".join(f" x{5 + n}={value}" for n, value in enumerate(self.env + self.values[-6:]))
        self.here.end = f"leave [next {self.rng.randrange(0, 4096, 2):#x} count {self.rng.randint(0, 3)}:{all_of_it}]"
        self.ended = True

    def begin(self, block: Block, values: list[str]) -> None:
        """Go on in a block that all ways are known to."""
        self.here, self.values, self.ended = block, list(values), not block.came
        if self.ended:
            return
        keep_all = self.rng.random() < self.keep
        self.env = list(block.came[0])
        for n in range(VARIABLES):
            if keep_all or len({came[n] for came in block.came}) > 1:
                self.env[n] = block.args[n] = self.value_name()

    # --- what is in them ----------------------------------------------------------------------------------------------

    def work(self, count: int) -> None:
        for _ in range(count):
            kind = self.rng.random()
            if kind < 0.5:
                self.values.append(self.make(f"{self.rng.choice(BINARY)} {self.value()}, {self.value()}"))
            elif kind < 0.6:
                self.here.lines.append(f"  count #{self.rng.randint(1, 9)}")
            elif kind < 0.66:
                self.here.lines.append(f"  leave_if {self.make(f'ltu {self.value()}, 2')} {self.snap()}")
            elif kind < 0.8:
                self.access()
            else:
                self.env[self.rng.randrange(VARIABLES)] = self.make(f"add {self.value()}, {self.value()}")

    def access(self) -> None:
        inside = self.make(f"and {self.value()}, {MEMORY - 32}")
        address = self.make(f"add {inside}, {BASE}")
        size = self.rng.choice((1, 2, 4, 8))
        host = self.make(f"host {address} size {size} write {self.snap('step')}")
        if self.rng.random() < 0.4:
            self.here.lines.append(f"  store {host}, {address}, {self.value()} size {size}")
        else:
            self.values.append(self.make(f"load.int {host}, {address} size {size}"))

    def know(self) -> None:
        self.env[self.rng.randrange(STATES)] = str(self.rng.randrange(5))

    def turn(self, header: Block) -> None:
        self.here.lines.append(f"  poll #{self.rng.randint(1, 9)} {self.snap()}")
        self.work(self.rng.choice((0, 0, 1)))
        self.go(header)

    def some_of_it(self, depth: int) -> None:
        for _ in range(self.rng.randint(1, 4)):
            if self.ended:
                return
            self.work(self.rng.randint(0, 3))
            kind = self.rng.random()
            if len(self.blocks) > self.most or depth >= 4 or kind < 0.2:
                self.know()
            elif kind < 0.45:
                self.either(depth)
            elif kind < 0.6:
                self.switch(depth)
            elif kind < 0.85 and depth < 3:
                self.loop(depth)
            elif self.around:
                self.again()

    def either(self, depth: int) -> None:
        values, one, other, meet = list(self.values), self.new(), self.new(), self.new()
        self.branch(one, other if self.rng.random() < 0.6 else meet)
        for block in (one, other):
            self.begin(block, values)
            if not self.ended and self.rng.random() < 0.5:
                self.some_of_it(depth + 1)
            if not self.ended:
                if self.rng.random() < 0.5:
                    self.know()
                self.go(meet)
        self.begin(meet, values)

    def switch(self, depth: int) -> None:
        values, meet, arms = list(self.values), self.new(), []
        for _ in range(self.rng.randint(2, 4)):
            arm, following = self.new(), self.new()
            self.branch(arm, following)
            arms.append(arm)
            self.begin(following, values)
        self.go(meet)
        for arm in arms:
            self.begin(arm, values)
            self.work(self.rng.randint(0, 2))
            if self.rng.random() < 0.2:
                self.some_of_it(depth + 1)
            if not self.ended:
                self.know()
                self.go(meet)
        self.begin(meet, values)

    def loop(self, depth: int) -> None:
        """Each variable is an argument of the header, as the ways back are not known yet."""
        values, header = list(self.values), self.new()
        self.go(header)
        self.here = header
        self.env = [self.value_name() for _ in range(VARIABLES)]
        header.args = dict(enumerate(self.env))
        self.around.append(header)
        self.some_of_it(depth + 1)
        self.around.pop()
        if self.ended:
            return
        inside, body, out = list(self.values), self.new(), self.new()
        self.branch(*((body, out) if self.rng.random() < 0.5 else (out, body)))
        self.begin(body, inside)
        self.work(1)
        self.turn(header)
        self.begin(out, inside)
        if self.rng.random() < 0.3:
            self.values = values

    def again(self) -> None:
        """Back from the middle of a loop."""
        values, back, on = list(self.values), self.new(), self.new()
        self.branch(back, on)
        self.begin(back, values)
        self.work(1)
        if self.rng.random() < 0.5:
            self.know()
        self.turn(self.rng.choice(self.around))
        self.begin(on, values)


def random_program(seed: int, **how: float) -> str:
    """Return the text of a region."""
    return Program(seed, **how).text  # type: ignore[arg-type]
