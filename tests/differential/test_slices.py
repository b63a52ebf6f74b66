"""Where a run is cut into pieces, and what is done in between, is invisible to the guest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.amount import CASES, rng, scaled
from support.chaos import CODE, HANDLER, WINDOW, Machine, World

from vmcore._fast.run import EXITS

STEPS = 4000
MODES = ("m", "bare", "supervisor", "user")
TIERS = ("t0", "t1")


def go_on(core, insns, until=None):
    """Run that many instructions (or until then), on past every probe."""
    goal = core.icount() + insns
    while core.icount() < goal:
        reason = core.run(goal - core.icount()) if until is None else core.run(goal - core.icount(), until_ns=until)
        if reason == EXITS["deadline"]:
            return
        assert reason in (EXITS["budget"], EXITS["probe"])


def in_one_go(world, insns=STEPS):
    machine = Machine(world, "t0")
    go_on(machine.core, insns)
    state = machine.state()
    machine.close()
    return state


def check(world, state, wanted):
    found = [f"{key}: {state[key]!r}, in one go {value!r}" for key, value in wanted.items() if state[key] != value]
    assert not found, f"{world}\n" + "\n".join(line[:300] for line in found)


def act(machine, action, number):
    """Do something to the machine that its guest cannot notice."""
    core = machine.core
    hart = number % core.nharts
    inside = CODE + 2 * (number % (len(machine.code) // 2))
    if action == "flush":
        if not machine.world.reserving:
            core.flush_tlb(hart, *((), (WINDOW - 1,), (WINDOW, 0), (None, 0))[number % 4])
    elif action == "fence":
        core.fence_i()
    elif action == "probe":
        core.probe_add(inside)
        machine.probes.append(inside)
    elif action == "unprobe":
        if machine.probes:
            core.probe_remove(machine.probes.pop(number % len(machine.probes)))
    elif action == "hook":
        core.hook_add(HANDLER, machine.seen.append)
    elif action == "look":
        core.csr_read(hart, 0x300)
        core.x(hart, 9)
        core.read_virt(hart, WINDOW - 3, 8)
        core.translate(hart, WINDOW, "w")
    elif action == "write":
        core.write_virt(hart, inside, machine.code[inside - CODE : inside - CODE + 8])
    elif action == "stop":
        core.request_stop()
        assert core.run(10) == EXITS["stop"]


ACTIONS = ("flush", "fence", "probe", "unprobe", "hook", "look", "write", "stop")


def in_pieces(world, pieces, tier, insns=STEPS):
    """Run with something done between the pieces: (instructions, until, action, number)."""
    machine = Machine(world, tier)
    machine.probes, machine.seen = [], []
    core = machine.core
    for count, until, action, number in pieces:
        left = insns - core.icount()
        if left <= 0:
            break
        go_on(core, min(count, left), core.now_ns + until if until and left > count else None)
        act(machine, action, number)
    go_on(core, insns - core.icount())
    state = machine.state()
    machine.close()
    return state


def random_pieces(source, count):
    return [(source.choice((1, 1, 2, 3, 16, 100, 700)), source.choice((0, 0, 0, 50, 100, 999)), source.choice(ACTIONS),
             source.getrandbits(16)) for _ in range(count)]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_one_step_at_a_time(mode):
    for seed in range(scaled(3)):
        world = World(seed, mode)
        machine = Machine(world)
        for done in range(STEPS):
            assert machine.core.run(max_insns=1) == EXITS["budget"]
            assert machine.core.icount() == done + 1
        state = machine.state()
        machine.close()
        check(world, state, in_one_go(world))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_random_pieces(mode, harts, tier):
    source = rng(f"pieces {mode} {harts} {tier}")
    for _ in range(scaled(8)):
        world = World(source.getrandbits(32), mode, harts, bool(source.getrandbits(1)))
        check(world, in_pieces(world, random_pieces(source, 60), tier), in_one_go(world))


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("mode", ["bare", "supervisor"])
def test_a_probe_on_every_instruction(mode, tier):
    world = World(5, mode)
    machine = Machine(world, tier)
    for at in range(0, len(machine.code), 2):
        machine.core.probe_add(CODE + at)
    go_on(machine.core, STEPS)
    state = machine.state()
    machine.close()
    check(world, state, in_one_go(world))


pieces = st.lists(
    st.tuples(st.integers(1, 800), st.sampled_from((0, 0, 100, 333)), st.sampled_from(ACTIONS), st.integers(0, 2**16)),
    max_size=20,
)


@settings(max_examples=2 * CASES)
@given(world=st.builds(World, st.integers(0, 30), st.sampled_from(MODES), st.integers(1, 2), st.booleans()),
       pieces=pieces, tier=st.sampled_from(TIERS))
def test_any_pieces(world, pieces, tier):
    check(world, in_pieces(world, pieces, tier, 2500), in_one_go(world, 2500))


def test_the_worlds_are_eventful():
    # What the tests above compare must not be a machine that stands still.
    for mode in MODES:
        machine = Machine(World(1, mode))
        go_on(machine.core, STEPS)
        assert machine.core.stats()["traps"] > 10
        machine.close()
