"""Emission of accesses to memory: hits, misses, pages that have no entry, and what a check remembers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emitted import AWAY, DATA, DATA_SIZE, HEADER, MASK, PAGE, Machine, check, entries, snapshot, straight

from vmcore._fast.jit.t2.emitface import Emitted

SEEDS = st.integers(1, (1 << 32) - 1)
HOW = st.sampled_from(("scatter", "colouring", "scan"))
MEMORY = bytes((number * 37 + (number >> 8) * 11) & 0xFF for number in range(DATA_SIZE))
#: Nobody has memory there.
NOWHERE = 0x4000_0000


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.close()


def registers(**given_: int) -> list[int]:
    regs = [0] + [(0x1111_1111_1111_1111 * number) & MASK for number in range(1, 64)]
    for name, value in given_.items():
        regs[int(name[1:])] = value
    return regs


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, DATA_SIZE - 16),
    SEEDS,
    st.booleans(),
    st.integers(-2048, 2047),
    st.sampled_from((110, 105)),
    st.sampled_from(("v111", "v106", "5", "-1", "0x123456789abcdef", "s8", "z16", "s32")),
    HOW,
)
def test_a_load_and_a_store(
    machine: Machine, size: int, at: int, seed: int, is_signed: bool, imm: int, base: int, value: str, how: str
) -> None:
    if (at & 4095) + size > 4096:
        at -= size
    sign = "signed" if is_signed and size < 8 else ""
    first = {"s8": "  v9 = sext8 v111\n", "z16": "  v9 = zext16 v106\n", "s32": "  v9 = sext32 v111\n"}.get(value, "")
    stored = "v9" if first else value
    step = snapshot({}, entries(more=(5, 6, 7, 28))[1], "step", HEADER + 4, 1)
    body = (
        f"  v1 = host v{base} # {imm} size {size} {step}\n  v2 = load.int v1, v{base} # {imm} size {size} {sign}\n"
        f"{first}"
        f"  v3 = host v{base} # {imm} size {size} write {step}\n"
        f"  store v3, v{base}, {stored} # {imm} size {size}\n"
    )
    text = straight(body, {"x12": "v2", "x7": "v2"})
    regs = registers(x10=(DATA + at - imm) & MASK, x5=(DATA + at - imm) & MASK)
    check(machine, text, regs, seed, memory=MEMORY, how=how)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 200), SEEDS, st.booleans())
def test_accesses_that_share_a_check(machine: Machine, at: int, seed: int, select: bool) -> None:
    step = snapshot({}, entries(more=(5, 6, 7, 28))[1], "step", HEADER + 4, 1)
    body = (
        f"  v1 = host v110 # 8 size 40 write {step}\n  v2 = load.int v1, v110 # 8 size 8\n"
        f"  store v1, v110, v105 # 16 size 8\n  v3 = load.int v1, v110 # 18 size 4 signed\n"
        f"  v4 = add v110, v111\n  v5 = load.int v1, v4 # 24 size 2\n  v6 = add v2, v3\n  v7 = add v6, v5\n"
        f"  v8 = load.int v1, {DATA + 64} # 0 size 1\n  v9 = add v7, v8\n"
    )
    check(
        machine,
        straight(body, {"x10": "v9", "x6": "v2"}),
        registers(x10=DATA + at, x11=16),
        seed,
        memory=MEMORY,
        select=select,
    )


@pytest.mark.parametrize("early", ["", "early"])
@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from((NOWHERE, DATA + 4093, MASK - 2, 1 << 63)), st.booleans())
def test_what_has_no_entry_leaves_with_the_state_before_it(
    machine: Machine, early: str, seed: int, address: int, write: bool
) -> None:
    # Registers in any place, constants and the page's address among them, and two that changed places.
    results = {
        "x10": "v1",
        "x5": "v106",
        "x6": "v105",
        "x11": "v2",
        "x12": "v4",
        "x20": "-5",
        "x21": "0x123456789abc",
        "x22": "v1",
        "x13": "v110",
    }
    step = snapshot(results, entries(more=(5, 6, 7, 28))[1], "step", HEADER + 8, 2)
    kind = "write" if write else ""
    body = (
        f"  v1 = add v110, v111\n  v2 = xor v105, v106\n  v3 = base\n  v4 = add v3, 1000\n"
        f"  v7 = host v128 # 0 size 8 {kind} {early} {step}\n"
        + ("  store v7, v128, v1 # 0 size 8\n" if write else "  v8 = load.int v7, v128 # 0 size 8\n")
    )
    text = straight(body, {"x10": "v1" if write else "v8"})
    regs = registers(x28=address)
    found = machine.run(Emitted(text, seed=seed), regs)
    assert found["pc"] == PAGE + HEADER + 8
    assert found["executed"] == 2
    expected = list(regs)
    expected[10] = expected[22] = (regs[10] + regs[11]) & MASK
    expected[11] = regs[5] ^ regs[6]
    expected[5], expected[6], expected[12], expected[13] = regs[6], regs[5], PAGE + 1000, regs[10]
    expected[20], expected[21] = MASK - 4, 0x123456789ABC
    assert found["regs"] == expected


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 4096), st.booleans(), st.integers(0, 3), HOW)
def test_a_check_that_remembers(machine: Machine, seed: int, times: int, write: bool, flush: int, how: str) -> None:
    """A loop over pages, by bytes; the pair is found again page by page, from an empty TLB or a full one."""
    nodes, named = entries(more=(5, 6, 7, 28))
    stride = DATA_SIZE // times
    state = {"x10": "v10", "x5": "v11", "x11": "v12"}
    step = snapshot(state, named, "step", HEADER, 0)
    poll = snapshot({"x10": "v20", "x5": "v21", "x11": "v22"}, named, off=HEADER, count=0)
    kind = "write" if write else ""
    text = (
        f"region insns 3\nb1 @{HEADER}:\n{nodes}\n  v1 = tag\n  v2 = addend\n  goto b2(v110, v105, v111)\n"
        f"b2(v10.int, v11.int, v12.int):\n  v30 = host v10, v1, v2 # 0 size 1 {kind} {step}\n"
        f"  v31 = load.int v30, v10 # 0 size 1\n  v22 = add v12, v31\n"
        + ("  store v30, v10, v22 # 0 size 1\n" if write else "")
        + f"  v20 = add v10, {stride}\n  v21 = sub v11, 1\n  poll # 5 {poll}\n  v40 = ne v21, 0\n"
        f"  branch v40, b2(v20, v21, v22), b3\n"
        f"b3:\n  leave {snapshot({'x10': 'v20', 'x5': 'v21', 'x11': 'v22'}, named)}\n"
    )
    if flush:
        machine.core.flush_tlb(0)
    check(machine, text, registers(x10=DATA, x5=times, x11=0), seed, memory=MEMORY, how=how)


def test_no_address_is_taken_for_one_that_was_found(machine: Machine) -> None:
    nodes, named = entries(more=(5, 6))
    step = snapshot({}, named, "step", HEADER, 0)
    text = (
        f"region insns 3\nb1 @{HEADER}:\n{nodes}\n  v1 = tag\n  v2 = addend\n"
        f"  v3 = host v110, v1, v2 # 0 size 1 {step}\n  v4 = load.int v3, v110 # 0 size 1\n"
        f"  leave {snapshot({'x11': 'v4'}, named, off=AWAY)}\n"
    )
    for seed in range(1, 5):
        region = Emitted(text, seed=seed)
        for address in [0, 1 << 62, *(1 << bit for bit in range(12, 64)), *(MASK ^ (1 << bit) for bit in range(64))]:
            found = machine.run(region, registers(x10=address))
            # The machine's memory is hit, the rest is not.
            inside = 0x8000_0000 <= address < 0x8020_0000
            assert found["pc"] == (PAGE + AWAY if inside else PAGE + HEADER)
