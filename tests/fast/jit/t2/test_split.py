"""What an inner loop reads has a register there, though not everywhere; and what gains nothing by it is left alone."""

from __future__ import annotations

import re

from hypothesis import given, reject, settings
from hypothesis import strategies as st
from support.graphs import random_region

from vmcore._fast.jit.t2.allocface import Allocated

REGISTERS = ("rcx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r15")


def block(text: str, number: int) -> list[str]:
    """Lines of a block, without snapshots."""
    lines = text.splitlines()
    first = next(at for at, line in enumerate(lines) if re.match(rf"b{number}\b", line))
    end = next((at for at in range(first + 1, len(lines)) if lines[at].startswith("b")), len(lines))
    return [re.sub(r"\[.*\]", "", line) for line in lines[first:end]]


def read_from_memory(allocated: Allocated, number: int) -> list[str]:
    """Values that a block reads, but for what goes along its edges, which are in no register."""
    places = allocated.places
    reads = [line.split("=", 1)[-1] for line in block(allocated.text, number)[1:] if "goto" not in line]
    nodes = [node for line in reads for node in re.findall(r"v\d+", line.split(", b")[0])]
    return [node for node in nodes if places.get(int(node[1:]), "").startswith(("slot", "home"))]


class Written:
    """A text whose nodes have the numbers that they are read with."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def node(self, op: str) -> str:
        self.count += 1
        self.lines.append(f"  v{self.count} = {op}")
        return f"v{self.count}"

    def say(self, *lines: str) -> None:
        self.lines += lines

    def some(self, count: int, by: str, first: str) -> list[str]:
        """Values of which each is made from the last one."""
        made = [first]
        for _ in range(count):
            made.append(self.node(f"mul {by}, {made[-1]}"))
        return made[1:]

    def reads(self, values: list[str]) -> str:
        """Read each value twice, and return what was made of the first two."""
        made = []
        for i, value in enumerate(values):
            made.append(self.node(f"mul {value}, {values[i - 1]}"))
            self.say(f"  leave_if {made[-1]} [next 4 : x5=v1]")
        self.say("  poll #3 [next 4 : x5=v1]")
        return made[0]

    def text(self) -> str:
        return "\n".join([*self.lines, "  leave [next 8 : x5=v1]"])


def in_turn(count: int, *, exits: str = "") -> str:
    """Two loops in a larger one, that read ``count`` values each, from before all of them, again and again."""
    w = Written()
    w.say("b1:")
    one, two = w.node("entry x5"), w.node("entry x6")
    values = w.some(2 * count, one, two)
    w.say("  goto b2", "b2:", "  goto b3", "b3:")
    w.say(f"  branch {w.reads(values[:count])}, b3, b4", "b4:", "  goto b5", "b5:")
    last = w.reads(values[count:])
    w.say(f"  branch {last}, b5, b6", "b6:", f"  branch {last}, b2, b7", "b7:")
    return w.text().replace("x5=v1", "x5=v1" + exits)


def crowded(count: int) -> str:
    """A loop that asks for a page that it remembers, and behind it one that reads ``count`` values, in a larger one."""
    w = Written()
    w.say("b1:")
    one, two = w.node("entry x5"), w.node("entry x6")
    tag, addend = w.node("tag"), w.node("addend")
    values = w.some(count, one, two)
    w.count += 1
    address = f"v{w.count}"
    w.say("  goto b2", "b2:", f"  goto b3({one})", f"b3({address}.int):")
    host = w.node(f"host {address}, {tag}, {addend} size 8 [next 4 : x5=v1]")
    loaded = w.node(f"load.int {host}, {address} size 8")
    following = w.node(f"add {address}, {loaded}")
    w.say("  poll #3 [next 4 : x5=v1]", f"  branch {loaded}, b3({following}), b4", "b4:", "  goto b5", "b5:")
    w.say(f"  branch {w.reads(values)}, b5, b6", "b6:", f"  branch {two}, b2, b7", "b7:")
    return w.text()


def test_each_of_two_loops_has_what_it_reads_in_registers() -> None:
    allocated = Allocated(in_turn(8))
    assert allocated.check() is None
    assert read_from_memory(allocated, 3) == [] == read_from_memory(allocated, 5)
    # One read of a slot for each turn of the larger loop, in place of one for each of the smaller ones.
    scanned = Allocated(in_turn(8), "linear")
    assert allocated.figures["spill_weight"] < scanned.figures["spill_weight"] / 5


def test_a_value_is_handed_to_the_loop_and_stays_there() -> None:
    allocated = Allocated(in_turn(8))
    places = allocated.places
    for number in (3, 5):
        args = [int(node) for node in re.findall(r"v(\d+)\.int", block(allocated.text, number)[0])]
        assert args
        assert all(places[node] in REGISTERS for node in args)
        # Around the loop each goes to itself: nothing is moved.
        back = re.search(rf"b{number}\(([^)]*)\)", block(allocated.text, number)[-1])
        assert back is not None
        assert [int(node) for node in re.findall(r"v(\d+)", back[1])] == args


def test_exits_of_the_loop_read_the_slot() -> None:
    # They are taken once in a thousand times: a register that only they read would be one too many.
    allocated = Allocated(in_turn(9, exits=" x7=v3 x17=v12"))
    assert allocated.check() is None
    assert all(allocated.places[node].startswith("slot") for node in (3, 12))
    exits = [line for line in allocated.text.splitlines() if "leave_if" in line]
    assert exits
    assert all("x7=v3 x17=v12" in line for line in exits)


def test_nothing_is_split_that_gains_nothing_by_it() -> None:
    # Loops as large as there are registers, and one that wants more by itself: what is read there is read from slots,
    # wherever it is split.
    for text in (in_turn(5), in_turn(14)):
        allocated = Allocated(text)
        assert allocated.check() is None
        lines = [line for number in range(2, 8) for line in block(allocated.text, number) if line.startswith("b")]
        if allocated.figures["spilled"] == 0:
            assert not any("(" in line for line in lines)
        assert allocated.figures["spill_weight"] <= Allocated(text, "linear").figures["spill_weight"]


def test_linear_scan_splits_nothing() -> None:
    assert "b3:" in Allocated(in_turn(8), "linear").text


def test_what_is_remembered_has_registers_in_its_loop_alone() -> None:
    allocated = Allocated(crowded(9))
    assert allocated.check() is None
    assert read_from_memory(allocated, 3) == [] == read_from_memory(allocated, 5)
    assert allocated.places[3].startswith("slot")
    assert allocated.places[4].startswith("slot")
    hosts = [re.findall(r"v\d+", line) for line in block(allocated.text, 3) if " = host" in line]
    assert len({tuple(host[2:4]) for host in hosts}) == 1
    assert hosts[0][2:4] != ["v3", "v4"]


def test_the_check_sees_who_is_in_the_way_of_what_is_remembered() -> None:
    # A look-up in the loop writes it to its slot as well; nobody else may be there.
    allocated = Allocated(crowded(9))
    loaded = re.search(r"v(\d+) = load", allocated.text)
    assert loaded is not None
    allocated.put(int(loaded[1]), allocated.places[3])
    found = allocated.check()
    assert found is not None
    assert (found[0], found[3]) == ("what is read is not in its place", 3)


@given(st.integers(0, 2**32), st.integers(4, 16))
@settings(max_examples=150, deadline=None)
def test_whatever_is_split_has_a_register(seed: int, size: int) -> None:
    # What had none in the loop would only be moved from slot to slot.
    text = random_region(seed, size)
    try:
        allocated, scanned = Allocated(text), Allocated(text, "linear")
    except MemoryError:
        # There are 64 slots.
        reject()
    assert allocated.check() is None
    args = [set(re.findall(r"v(\d+)\.(?:int|f64|f32)[,)]", one.text)) for one in (allocated, scanned)]
    assert not any(allocated.places[int(node)].startswith(("slot", "home")) for node in args[0] - args[1])
