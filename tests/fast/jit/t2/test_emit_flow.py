"""Emission of branches, edges, polls and exits, and the order of moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emitted import AWAY, HEADER, MASK, PINNED, Machine, check, entries, snapshot

from vmcore._fast.jit.t2.emitface import PLACES, Emitted, order

VALUES = st.sampled_from((0, 1, 2, 3, 63, 1 << 31, 1 << 32, 1 << 63, MASK)) | st.integers(0, MASK)
SEEDS = st.integers(1, (1 << 32) - 1)
SMALL = st.integers(0, 9)
HOW = st.sampled_from(("scatter", "colouring", "scan"))


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.close()


def registers(values: list[int]) -> list[int]:
    regs = [0] + [(0x1111_1111_1111_1111 * number) & MASK for number in range(1, 64)]
    for number, value in zip((10, 5, 11, 6, 12, 7, 28), values, strict=False):
        regs[number] = value
    return regs


# --- moves ------------------------------------------------------------------------------------------------------------

SLOT, XMM, HOME = PLACES["slot"], PLACES["xmm"], PLACES["home"]
GENERAL = st.sampled_from((1, 3, 6, 7, 8, 9, SLOT, SLOT + 1, SLOT + 5, HOME + 5, HOME + 6, HOME + 17))
VECTOR = st.sampled_from((XMM + 2, XMM + 3, XMM + 9, SLOT + 9, SLOT + 10, HOME + 32, HOME + 50))


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(GENERAL, GENERAL), max_size=12, unique_by=lambda move: move[0]),
    st.lists(st.tuples(VECTOR, VECTOR), max_size=7, unique_by=lambda move: move[0]),
    st.booleans(),
)
def test_moves_read_everything_before_they_write(
    general: list[tuple[int, int]], vector: list[tuple[int, int]], keep_rax: bool
) -> None:
    moves = general + vector
    if keep_rax:
        moves.append((0, 3))
    before = {place: f"was in {place}" for place in range(PLACES["end"])}
    now = dict(before)
    for to, source in order(moves, keep_rax):
        now[to] = now[source]
        in_memory = [place >= SLOT for place in (to, source)]
        if all(in_memory):
            now[2] = "scratch"
    for to, source in moves:
        assert now[to] == before[source]
    scratch = {2, XMM, PLACES["temp"]} | (set() if keep_rax else {0})
    for place in set(before) - {to for to, _ in moves} - scratch:
        assert now[place] == before[place]


# --- branches ---------------------------------------------------------------------------------------------------------

COMPARES = ("eq", "ne", "lt", "ge", "ltu", "geu")


def branching(condition: str, *, cold: bool = False) -> str:
    """Two ways by a condition v1, each with values of its own, that meet again."""
    nodes, named = entries(more=(5, 6, 7, 28))
    away = snapshot({"x10": "v60", "x5": "v61"}, named)
    other = snapshot({"x10": "v111", "x5": "v110"}, named, off=AWAY + 64, count=5)
    third = f"b3:\n  leave {other}" if cold else "b3:\n  v7 = sub v110, v111\n  goto b4(v111, v7)"
    return (
        f"region insns 3\nb1 @{HEADER}:\n{nodes}\n{condition}\n  branch v1, b2, b3\n"
        f"b2:\n  v6 = add v110, v105\n  goto b4(v6, v110)\n{third}\nb4(v60.int, v61.int):\n  leave {away}\n"
    )


@pytest.mark.parametrize("op", COMPARES)
@settings(max_examples=60, deadline=None)
@given(
    st.lists(VALUES, min_size=4, max_size=4),
    SEEDS,
    st.booleans(),
    st.sampled_from(
        (
            "v110, v111",
            "v110, v106",
            "v105, v106",
            "v105, v111",
            "v110, 3",
            "v105, -1",
            "0, v106",
            "v110, 0",
            "v105, 0x1234567890",
            "w",
            "half",
            "bits",
            "bit",
            "sign",
        )
    ),
    HOW,
)
def test_a_branch_goes_where_it_should(
    machine: Machine, op: str, values: list[int], seed: int, cold: bool, operands: str, how: str
) -> None:
    condition = f"  v1 = {op} {operands}"
    if operands == "w":
        condition = f"  v2 = sext32 v110\n  v3 = sext32 v106\n  v1 = {op} v2, v3"
    elif operands == "half":
        condition = f"  v2 = sext32 v105\n  v1 = {op} v2, 3"
    elif operands == "bits":
        condition = f"  v2 = and v110, v106\n  v1 = {'eq' if op in 'eqltu' else 'ne'} v2, 0"
    elif operands == "bit":
        condition = "  v1 = and v105, 0x8000000000"
    elif operands == "sign":
        condition = "  v1 = and v110, -0x80000000"
    check(machine, branching(condition, cold=cold), registers(values), seed, how=how)


@settings(max_examples=60, deadline=None)
@given(st.lists(SMALL, min_size=4, max_size=4), SEEDS)
def test_a_condition_leaves(machine: Machine, values: list[int], seed: int) -> None:
    nodes, named = entries(more=(5, 6, 7, 28))
    early = snapshot({"x10": "v3", "x6": "v111"}, named, off=AWAY + 8, count=7)
    step = snapshot({"x11": "v3"}, named, "step", off=AWAY + 16, count=9)
    text = (
        f"region insns 3\nb1 @{HEADER}:\n{nodes}\n  v3 = add v110, v105\n  v1 = lt v110, v111\n"
        f"  leave_if v1 {early}\n  v2 = eq v105, v106\n  leave_if v2 {step}\n  v4 = xor v3, v106\n"
        f"  leave {snapshot({'x10': 'v4'}, named)}\n"
    )
    check(machine, text, registers(values), seed)


# --- loops ------------------------------------------------------------------------------------------------------------


def loop(rotated: bool, swap: bool, step: int = 5) -> str:
    """Sum x5 times something, with arguments that change places each time."""
    nodes, named = entries(more=(5, 6, 7, 28))
    next_poll = snapshot(
        {"x10": "v20", "x5": "v21", "x11": "v13" if swap else "v12", "x12": "v12" if swap else "v13"},
        named,
        off=HEADER,
        count=0,
    )
    again = f"v20, v21, {'v13, v12' if swap else 'v12, v13'}"
    body = "  v20 = add v10, v12\n  v21 = sub v11, 1\n"
    done = f"b4:\n  leave {snapshot({'x10': 'v10', 'x5': 'v11', 'x11': 'v12', 'x12': 'v13'}, named)}\n"
    head = (
        f"region insns 3\nb1 @{HEADER}:\n{nodes}\n  goto b2(v110, v105, v111, v112)\n"
        f"b2(v10.int, v11.int, v12.int, v13.int):\n"
    )
    if rotated:
        leave = snapshot({"x10": "v20", "x5": "v21", "x11": "v12", "x12": "v13"}, named)
        return (
            f"{head}{body}  poll # {step} {next_poll}\n  v30 = ne v21, 0\n  branch v30, b2({again}), b4\n"
            f"b4:\n  leave {leave}\n"
        )
    return (
        f"{head}  v30 = eq v11, 0\n  branch v30, b4, b3\nb3:\n{body}  poll # {step} {next_poll}\n"
        f"  goto b2({again})\n{done}"
    )


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("rotated", [False, True])
@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=7, max_size=7), st.integers(1, 50), SEEDS, HOW)
def test_a_loop_goes_round(
    machine: Machine, rotated: bool, swap: bool, values: list[int], times: int, seed: int, how: str
) -> None:
    values[1] = times
    result = check(machine, loop(rotated, swap), registers(values), seed, how=how)
    assert result["executed"] == 5 * times + 3


@pytest.mark.parametrize("rotated", [False, True])
@settings(max_examples=30, deadline=None)
@given(st.lists(VALUES, min_size=7, max_size=7), st.integers(20, 200), SEEDS)
def test_a_poll_leaves_with_the_state_of_its_place(
    machine: Machine, rotated: bool, values: list[int], budget: int, seed: int
) -> None:
    # The loop would go on for ever; when the budget is used up its registers are those of some round.
    values[1] = MASK
    found = machine.run(Emitted(loop(rotated, False), seed=seed), registers(values), budget=96 + budget)
    rounds = (MASK - found["regs"][5]) & MASK
    assert rounds * 5 >= budget - 5
    assert found["regs"][10] == (values[0] + rounds * values[2]) & MASK


# --- leaving ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=7, max_size=7), SEEDS, st.integers(0, 500).filter(lambda half: 2 * half != HEADER))
def test_leaving_to_an_address(machine: Machine, values: list[int], seed: int, half: int) -> None:
    nodes, named = entries(more=(5, 6, 7, 28))
    # Registers that change places in memory, and the target too.
    registers_ = {"x5": "v106", "x6": "v105", "x7": "v128", "x28": "v107", "x10": "v111", "x11": "v110"}
    text = (
        f"region insns 3\nb1 @{HEADER}:\n{nodes}\n  v1 = base\n  v2 = add v1, {2 * half}\n"
        f"  leave_to v2 {snapshot(registers_, named)}\n"
    )
    check(machine, text, registers(values), seed)


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES, min_size=7, max_size=7), st.permutations((*PINNED, 5, 6, 7, 28)), SEEDS)
def test_registers_change_places(machine: Machine, values: list[int], permutation: list[int], seed: int) -> None:
    nodes, named = entries(more=(5, 6, 7, 28))
    moved = {f"x{to}": named[source] for to, source in zip((*PINNED, 5, 6, 7, 28), permutation, strict=True)}
    text = f"region insns 3\nb1 @{HEADER}:\n{nodes}\n  leave {snapshot(moved, named)}\n"
    check(machine, text, registers(values), seed)


def test_links_lie_in_one_word_where_harts_are_parallel() -> None:
    nodes, named = entries(more=(5,))
    for count in range(8):
        more = "".join(f"  v{number} = add v110, {number}\n" for number in range(1, count + 1))
        leave = snapshot({"x10": f"v{count}"} if count else {}, named)
        text = f"region insns 3\nb1 @{HEADER}:\n{nodes}\n{more}  leave {leave}\n"
        for seed in range(1, 9):
            links = Emitted(text, seed=seed, parallel=True).figures()["links"]
            assert [off for _, off in links] == [AWAY]
            assert all(field & 7 <= 4 for field, _ in links)


def test_exits_that_are_alike_are_one() -> None:
    nodes, named = entries(more=(5, 6))
    state = {"x11": "v105"}
    exits = "".join(
        f"  v{number} = eq v110, {number}\n  leave_if v{number} {snapshot(state, named)}\n" for number in range(1, 9)
    )
    one = "".join(
        f"  v{number} = eq v110, {number}\n  leave_if v{number} {snapshot(state, named, count=number)}\n"
        for number in range(1, 9)
    )
    end = f"  leave {snapshot({}, named)}\n"
    shared = Emitted(f"region insns 3\nb1 @{HEADER}:\n{nodes}\n{exits}{end}")
    apart = Emitted(f"region insns 3\nb1 @{HEADER}:\n{nodes}\n{one}{end}")
    assert len(shared.figures()["links"]) == 2
    assert len(apart.figures()["links"]) == 9
    assert shared.figures()["cold"] * 3 < apart.figures()["cold"]
