"""Every value is where it is read from, whoever chose its place; and the choices are good ones."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from support.graphs import random_region

from vmcore._fast.jit.t2.allocface import Allocated
from vmcore._fast.memory.alloc import live
from vmcore.errors import ConfigError

WAYS = ("colouring", "linear")
REGISTERS = ("rcx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r15")
# Names and nodes have the same numbers in what follows: block 1 has everything first, and no constants.
SUM = """
b1:
  v1 = entry x10
  v2 = entry x11
  v3 = entry x20
  goto b2(v1, v3)
b2(v4.int, v5.int):
  v6 = add v5, v4
  v7 = sub v4, v3
  poll #3 [next 4 : x10=v7 x11=v6]
  branch v7, b2(v7, v6), b3
b3:
  leave [next 8 : x10=v7 x11=v6]
"""


def crowd(count: int, *, pinned: bool = False) -> str:
    """Values that are all read in a loop again and again, and as many of the hart that are read once behind it."""
    lines = ["b1:"]
    regs = [10, 11, 12, 13, 14, 15, 2, 8, 9, 16] if pinned else [5, 6, 7, 17, 18, 19, 20, 21]
    lines += [f"  v{i + 1} = entry x{reg}" for i, reg in enumerate(regs)]
    lines += [f"  v{100 + i} = add v1, v{1 + i % len(regs)}" for i in range(count)]
    lines += ["  goto b2", "b2:"]
    for i in range(count):
        lines.append(f"  v{200 + i} = mul v{100 + i}, v{100 + (i + 1) % count}")
        lines.append(f"  leave_if v{200 + i} [next 4 : x5=v{200 + i}]")
    lines += ["  poll #3 [next 4 :]", "  branch v200, b2, b3", "b3:"]
    lines += [f"  v{400 + i} = mulhu v1, v{i + 1}" for i in range(len(regs))]
    lines.append("  leave [next 8 : " + " ".join(f"x{20 + i}=v{400 + i}" for i in range(len(regs))) + "]")
    return "\n".join(lines)


def enumerate_nodes(allocated: Allocated) -> list[tuple[int, str]]:
    lines = [line.strip() for line in allocated.text.splitlines() if line.strip().startswith("v")]
    return [(int(line.split(" ")[0][1:]), line) for line in lines]


@given(st.integers(0, 2**32), st.integers(1, 16), st.sampled_from(WAYS))
@settings(max_examples=150, deadline=None)
def test_whatever_is_read_is_in_its_place(seed: int, size: int, way: str) -> None:
    try:
        allocated = Allocated(random_region(seed, size), way)
    except MemoryError:
        # There are 64 slots; the largest of these regions want more.
        reject()
    assert allocated.check() is None


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_nothing_is_spilled_while_there_are_registers(seed: int, size: int) -> None:
    # The graph of a region is chordal: what fits at every place fits at all of them, and coalescing may not change it.
    # (One register is kept for results that must not be where an operand is.)
    figures = Allocated(random_region(seed, size, floats=False), "colouring").figures
    if figures["pressure"] < len(REGISTERS):
        assert figures["spilled"] == 0 == figures["slots"]


@given(st.integers(0, 2**32), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_the_same_graph_has_the_same_places(seed: int, size: int) -> None:
    text = random_region(seed, size)
    try:
        places = Allocated(text).places
    except MemoryError:
        # There are 64 slots.
        reject()
    assert Allocated(text).places == places


@pytest.mark.parametrize("way", WAYS)
def test_values_stay_where_the_boundary_has_them(way: str) -> None:
    allocated = Allocated(SUM, way)
    places = allocated.places
    # x10 is rsi outside: so is what comes from it, goes around the loop, and leaves by it. No copy is left.
    assert places[1] == places[4] == places[7] == "rsi"
    assert places[5] == places[6]
    assert allocated.figures["coalesced"] == allocated.figures["copies"] - 1
    assert allocated.figures["copy_weight"] == 1
    assert allocated.figures["spilled"] == 0
    # Nobody reads it.
    assert 2 not in places


@pytest.mark.parametrize("way", WAYS)
def test_what_lies_in_the_hart_is_read_there(way: str) -> None:
    # Nine values that the loop reads have registers; of what is read once behind it most has not, and is not stored.
    allocated = Allocated(crowd(9), way)
    nodes = enumerate_nodes(allocated)
    assert all(allocated.places[node] in REGISTERS for node, line in nodes if " add " in line)
    entries = [allocated.places[node] for node, line in nodes if " entry " in line]
    assert len(entries) == 8
    assert entries.count("home") >= 6
    assert allocated.figures["slots"] == 0
    assert allocated.check() is None


@pytest.mark.parametrize("way", WAYS)
def test_pinned_registers_have_no_home_inside(way: str) -> None:
    allocated = Allocated(crowd(9, pinned=True), way)
    nodes = enumerate_nodes(allocated)
    assert all(allocated.places[node] in REGISTERS for node, line in nodes if " add " in line)
    entries = [allocated.places[node] for node, line in nodes if " entry " in line]
    assert len(entries) == 10
    assert sum(place.startswith("slot") for place in entries) >= 8
    assert "home" not in entries
    assert allocated.check() is None


@pytest.mark.parametrize("way", WAYS)
def test_slots_are_shared_by_what_does_not_live_together(way: str) -> None:
    # Two crowds one after the other need the slots of one.
    def crowds(count: int) -> str:
        lines = ["b1:", *(f"  v{i} = entry x{reg}" for i, reg in enumerate((10, 11, 12), 1))]
        for n in range(count):
            base = 1000 * (n + 1)
            lines += [f"  v{base + i} = mul v1, v{base + i - 1 if i else 2}" for i in range(20)]
            lines += [f"  leave_if v{base + i} [next 4 : x10=v1]" for i in range(20)]
        return "\n".join([*lines, "  leave [next 8 : x10=v1 x11=v2 x12=v3]"])

    one, two = Allocated(crowds(1), way), Allocated(crowds(2), way)
    assert one.figures["slots"] == two.figures["slots"] > 0
    assert two.figures["spilled"] > one.figures["spilled"]
    assert two.check() is None


def test_constants_are_computed_again_rather_than_kept() -> None:
    lines = ["b1:", "  v1 = entry x10"]
    lines += [f"  v{10 + i} = xor v1, {(i + 1) << 40}" for i in range(14)]
    lines += ["  goto b2", "b2:"]
    lines += [f"  v{100 + i} = or v{10 + i}, {(i + 1) << 40}" for i in range(14)]
    lines += [f"  leave_if v{100 + i} [next 4 : x10=v1]" for i in range(14)]
    lines += ["  poll #3 [next 4 : x10=v1]", "  branch v100, b2, b3", "b3:", "  leave [next 8 : x10=v1]"]
    allocated = Allocated("\n".join(lines))
    constants = [node for node, line in enumerate_nodes(allocated) if " const " in line]
    assert len(constants) == 14
    assert not any(allocated.places.get(node, "none").startswith("slot") for node in constants)
    assert any(node not in allocated.places for node in constants)
    assert allocated.check() is None


def test_large_regions_are_scanned() -> None:
    lines = ["b1:", "  v1 = entry x10"]
    lines += [f"  v{i} = add v{i - 1}, v1" for i in range(2, 4100)]
    text = "\n".join([*lines, "  leave [next 8 : x10=v4099]"])
    allocated = Allocated(text, "colouring")
    assert allocated.figures["ranges"] > 4000
    assert allocated.figures["way"] == "linear"
    assert allocated.figures["spilled"] == 0
    assert allocated.check() is None


def test_more_slots_than_there_are() -> None:
    lines = ["b1:", "  v1 = entry x10"]
    lines += [f"  v{i} = mul v{i - 1}, v1" for i in range(2, 92)]
    lines += [f"  leave_if v{i} [next 4 : x10=v1]" for i in range(2, 92)]
    with pytest.raises(MemoryError, match="slots"):
        Allocated("\n".join([*lines, "  leave [next 8 : x10=v1]"]))


def test_two_threads_at_once() -> None:
    texts = [random_region(seed, 12) for seed in range(12)]
    alone = [Allocated(text).places for text in texts]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda text: Allocated(text).places, texts * 3)) == alone * 3


def test_nothing_is_left() -> None:
    text = random_region(3, 12)
    Allocated(text)
    gc.collect()
    before = live()
    for way in WAYS:
        Allocated(text, way)
    gc.collect()
    assert live() == before


@pytest.mark.parametrize(
    ("moved", "what"),
    [
        # v6 is written where v4 is still read, for v7.
        ({6: "rsi"}, "what is read is not in its place"),
        # The loop's arguments, at once.
        ({5: "rsi", 6: "rsi"}, "two arguments have one place"),
        # v3 is read in the loop, which overwrites it.
        ({3: "rcx", 5: "rcx", 6: "rcx"}, "what is read is not in its place"),
        ({1: "rcx", 3: "rcx"}, "two entry values have one place"),
        # v7 = v4 - v3 in the register of v3.
        ({7: "r12", 3: "r12"}, "a result is in the place of an operand that is still read"),
        ({6: "none"}, "what is read has no place"),
        ({1: "home"}, "what has no home is at home"),
        ({5: "home"}, "an argument is at home"),
        ({7: "home"}, "what has no home is at home"),
        ({6: "slot0"}, "a slot that there is not"),
        ({6: "xmm3"}, "an integer is not in a general register"),
        ({6: "rdx"}, "an integer is not in a general register"),
        ({6: "r14"}, "an integer is not in a general register"),
    ],
)
def test_the_check_sees(moved: dict[int, str], what: str) -> None:
    allocated = Allocated(SUM)
    assert allocated.check() is None
    for node, place in moved.items():
        allocated.put(node, place)
    found = allocated.check()
    assert found is not None
    assert found[0] == what


@pytest.mark.parametrize("place", ["home", "rbx", "r15"])
def test_the_check_lets_pass_what_is_right(place: str) -> None:
    allocated = Allocated(SUM)
    allocated.put(3, place)
    assert allocated.check() is None


def test_values_that_arrive_by_one_way_only_are_lost() -> None:
    text = """
    b1:
      v1 = entry x10
      v2 = entry x11
      branch v1, b2, b3
    b2:
      v3 = add v2, v2
      leave_if v3 [next 4 : x10=v1 x11=v2]
      goto b4
    b3:
      goto b4
    b4:
      leave [next 8 : x10=v1 x11=v2]
    """
    allocated = Allocated(text)
    assert allocated.check() is None
    allocated.put(3, allocated.places[2])
    found = allocated.check()
    assert found is not None
    assert found[0] == "what is read is not in its place"


def test_what_is_said_wrong() -> None:
    with pytest.raises(ConfigError, match="greedy"):
        Allocated(SUM, "greedy")
    with pytest.raises(ConfigError, match="b1"):
        Allocated("b1:\n  v1 = entry x10\n  v2 = add v1, v2\n  leave [next 4 :]\n")
    allocated = Allocated(SUM)
    with pytest.raises(ConfigError, match="eax"):
        allocated.put(1, "eax")
    with pytest.raises(ConfigError, match="99"):
        allocated.put(99, "rcx")
