"""Random regions, in the text form of graphs: loops, branches, arguments, snapshots, checks of the TLB."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

PINNED = [10, 11, 12, 13, 14, 15, 2, 8, 9, 16]
PINNED_F = [*range(8), *range(10, 16)]
#: Offset in its page of where a region is entered.
HEADER = 64
#: Where the memory is that a region which is to be executed reads and writes; 0x4000 bytes.
DATA = 0x8010_0000
BINARY = ["add", "sub", "mul", "and", "or", "xor", "shl", "shr32", "rotr", "mulh", "mulhsu", "div", "rem32"]
COMPARE = ["eq", "ltu"]
UNARY = ["neg", "sext32", "zext8", "clz", "orcb", "bswap"]
FLOATING = ["fadd", "fsub", "fmul", "fdiv", "fmin", "fsgnjx"]


@dataclass
class Region:
    """A random region being written. Variables are guest registers; what a name has changes as code is written."""

    random: Random
    size: int
    floats: bool = True
    runs: bool = False
    lines: list[str] = field(default_factory=list)
    values: int = 0
    blocks: int = 0
    env: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    hosts: list[tuple[str, str]] = field(default_factory=list)

    def value(self) -> str:
        self.values += 1
        return f"v{self.values}"

    def block(self) -> str:
        self.blocks += 1
        return f"b{self.blocks}"

    def some(self, kind: str = "x") -> str:
        """A value of one kind, sometimes a constant."""
        if kind == "x" and self.random.random() < 0.15:
            return str(self.random.choice([0, 1, 12, -5, 1 << 40]))
        return self.env[self.random.choice([name for name in sorted(self.env) if name[0] == kind])]

    def into(self, kind: str = "x") -> str:
        return self.random.choice([name for name in sorted(self.env) if name[0] == kind])

    def snap(self, count: int = 1) -> str:
        changed = [name for name in sorted(self.env) if self.env[name] != self.entries[name]]
        always = [f"x{n}" for n in PINNED if f"x{n}" in self.env]
        if self.floats:
            always += [f"f{n}" for n in PINNED_F if f"f{n}" in self.env]
        # Behind the place where tests put the region: who leaves it does not come back at once.
        off = 4 * self.random.randrange(17, 1000)
        return (
            f"[next {off} count {count} : " + " ".join(f"{n}={self.env[n]}" for n in sorted({*changed, *always})) + "]"
        )

    def emit(self, op: str, into: str | None = None) -> str:
        made = self.value()
        self.lines.append(f"  {made} = {op}")
        if into:
            self.env[into] = made
        return made

    def base(self) -> str:
        if not self.runs:
            return self.env[self.into()]
        low = self.emit(f"and {self.env[self.into()]}, {0x3FC0}")
        return self.emit(f"add {low}, {DATA}")

    def memory(self) -> None:
        if self.hosts and self.random.random() < 0.6:
            host, base = self.random.choice(self.hosts)
        else:
            base = self.base()
            host = self.emit(f"host {base} #0 size 64 write {self.snap()}")
            if self.random.random() < 0.6:
                self.hosts.append((host, base))
        disp = 8 * self.random.randrange(8)
        if self.random.random() < 0.5:
            self.emit(f"load.int {host}, {base} #{disp} size 8", self.into())
        else:
            self.lines.append(f"  store {host}, {base}, {self.some()} #{disp} size 8")

    def step(self) -> None:
        chance = self.random.random()
        if chance < 0.45:
            self.emit(f"{self.random.choice(BINARY + COMPARE)} {self.some()}, {self.some()}", self.into())
        elif chance < 0.55:
            self.emit(f"{self.random.choice(UNARY)} {self.some()}", self.into())
        elif chance < 0.6:
            self.emit(f"select.int {self.some()}, {self.some()}, {self.some()}", self.into())
        elif chance < 0.75:
            self.memory()
        elif chance < 0.8:
            self.lines.append(f"  leave_if {self.some()} {self.snap()}")
        elif chance < 0.85 or not self.floats:
            self.lines.append(f"  poll #3 {self.snap(0)}")
        elif chance < 0.97:
            self.floating(f"{self.random.choice(FLOATING)}.f64 {self.some('f')}, {self.some('f')}")
        else:
            self.floating(f"fmadd.f64 {self.some('f')}, {self.some('f')}, {self.some('f')}")

    def floating(self, op: str) -> None:
        # What leaves has to be clean; another operation may take what is not.
        made = self.emit(f"{op} mode 7")
        if self.random.random() < 0.3:
            made = self.emit(f"fadd.f64 {made}, {self.some('f')} mode 7")
        self.emit(f"fclean.f64 {made}", self.into("f"))

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def args(self, names: list[str]) -> str:
        """Arguments of a block, one for each of these variables, which have them from now on."""
        made = []
        for name in names:
            self.env[name] = self.value()
            made.append(f"{self.env[name]}.{'f64' if name[0] == 'f' else 'int'}")
        return f"({', '.join(made)})" if made else ""

    def passed(self, names: list[str]) -> str:
        return f"({', '.join(self.env[name] for name in names)})" if names else ""

    def branch(self, one: str, two: str) -> None:
        """End a block; now and then someone has seen which way it goes."""
        seen = [f" times {self.random.choice((0, 1, 9, 500))}" if self.random.random() < 0.5 else "" for _ in range(2)]
        self.lines.append(f"  branch {self.some()}, {one}{seen[0]}, {two}{seen[1]}")

    def loop(self, depth: int) -> None:
        names = [name for name in sorted(self.env) if self.random.random() < 0.4]
        head, after = self.block(), self.block()
        hosts = len(self.hosts)
        memory = self.random.random() < 0.5
        if memory:
            tag, addend = self.emit("tag"), self.emit("addend")
        self.lines.append(f"  goto {head}{self.passed(names)}")
        self.lines.append(f"{head}{self.args(names)}:")
        if memory:
            base = self.base()
            self.hosts.append((self.emit(f"host {base}, {tag}, {addend} #0 size 64 write {self.snap()}"), base))
        self.body(depth + 1)
        if self.runs:
            self.lines.append(f"  poll #5 {self.snap(0)}")
        self.branch(head + self.passed(names), after)
        self.lines.append(f"{after}:")
        # Whatever was made in the body dominates what follows: it ends at one place.
        del self.hosts[hosts + 4 :]

    def fork(self, depth: int) -> None:
        yes, no, join = self.block(), self.block(), self.block()
        self.branch(yes, no)
        before, hosts = dict(self.env), len(self.hosts)
        ends = []
        start = len(self.lines)
        parts = []
        for name in (yes, no):
            self.env = dict(before)
            self.lines.append(f"{name}:")
            self.body(depth + 1)
            del self.hosts[hosts:]
            ends.append(self.env)
            parts.append(self.lines[start:])
            del self.lines[start:]
        names = [name for name in sorted(before) if ends[0][name] != ends[1][name]]
        for part, env in zip(parts, ends, strict=True):
            self.lines += part
            self.env = env
            self.lines.append(f"  goto {join}{self.passed(names)}")
        self.env = dict(ends[0])
        self.lines.append(f"{join}{self.args(names)}:")

    def body(self, depth: int) -> None:
        for _ in range(self.random.randrange(1, 4)):
            self.steps(self.random.randrange(self.size))
            chance = self.random.random()
            if depth < 3 and chance < 0.4:
                self.loop(depth)
            elif depth < 3 and chance < 0.7:
                self.fork(depth)

    def enter(self) -> None:
        others = [5, 6, 7, 17, 18, 20, 31]
        if self.runs:
            ints = PINNED + self.random.sample(others, self.random.randrange(len(others) + 1))
            floats = PINNED_F + self.random.sample([8, 9, 16, 17, 30, 31], self.random.randrange(7))
        else:
            ints = self.random.sample(PINNED + others, self.random.randrange(4, len(PINNED + others) + 1))
            floats = self.random.sample(range(32), self.random.randrange(2, 24))
        self.lines.append(f"{self.block()} @{HEADER}:")
        for name in sorted(f"x{n}" for n in ints):
            self.emit(f"entry {name}", name)
        if self.floats:
            always = " ".join(f"x{n}={self.env[f'x{n}']}" for n in PINNED if f"x{n}" in self.env)
            self.lines.append(f"  fpu [step {HEADER} : {always}]")
            for name in [f"f{n}" for n in floats]:
                self.emit(f"entry {name}", name)
        self.entries = dict(self.env)

    def text(self) -> str:
        self.enter()
        self.body(0)
        self.lines.append(f"  leave {self.snap()}")
        return "\n".join(["region insns 1" + (" fpu" if self.floats else ""), *self.lines]) + "\n"


def random_region(seed: int, size: int = 12, *, floats: bool = True, runs: bool = False) -> str:
    """A region whose pieces of straight code have up to ``size`` operations.

    With ``runs`` it can be executed: it has all that a region has to have, reads and writes DATA alone, and a budget
    ends its loops.
    """
    return Region(Random(seed), size, floats, runs).text()
