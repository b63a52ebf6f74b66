"""T0 and T1 are the same machine: compared wherever compiled code is left, however often that is."""

import pytest
from support.amount import rng, scaled
from support.chaos import RAM, Machine, World
from support.tiers import in_lockstep
from support.wild import Wild

MODES = ("m", "bare", "supervisor", "user")

#: Under each of them the guest must not notice anything.
STRESS = {
    "none": {},
    "blocks": {"poll_every": 1},
    "polls": {"poll_every": 3},
    "misses": {"poll_every": 1, "flush_every": 1, "evict": True},
    "refused": {"miss_every": 2, "flush_every": 3},
    "forgotten": {"forget_every": 2, "evict": True},
    "evicted": {"limit": 8 << 10, "poll_every": 3},
    "slices": {"piece": 211, "poll_every": 5},
    # Compiled code gets no more than a few instructions, and is stopped by both at once.
    "crumbs": {"piece": 103, "poll_every": 2},
    # Loops are compiled as regions wherever code is left.
    "regions": {"region_every": 1},
    "regions left": {"region_every": 2, "poll_every": 2},
    "regions missed": {"region_every": 1, "poll_every": 1, "flush_every": 2, "evict": True},
    "regions refused": {"region_every": 1, "miss_every": 2, "flush_every": 3},
    "regions cut": {"region_every": 1, "piece": 211},
    "regions evicted": {"region_every": 1, "limit": 8 << 10},
}
REGIONS = [name for name in STRESS if name.startswith("regions")]


def together(kind, world, insns, **stress):
    return in_lockstep(lambda tier: kind(world, tier), insns, ram=(RAM, kind.end - RAM), **stress)


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("stress", STRESS)
@pytest.mark.parametrize("mode", MODES)
def test_a_tangle_of_code(mode, stress, harts):
    source, compiled = rng(f"tiers {mode} {stress} {harts}"), 0
    for _ in range(scaled(2)):
        world = World(source.getrandbits(32), mode, harts, bool(source.getrandbits(1)))
        compiled += together(Machine, world, 6000, **STRESS[stress]).compiled
    assert compiled > 300


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("stress", STRESS)
@pytest.mark.parametrize("mode", MODES)
def test_code_that_changes_under_tables_that_change(mode, stress, harts):
    source, compiled = rng(f"wild tiers {mode} {stress} {harts}"), 0
    for _ in range(scaled(2)):
        # Code that is dropped is made anew from what memory holds then, which may be more than a fence.i has shown.
        world = World(source.getrandbits(32), mode, harts, fenced=stress.endswith("evicted"))
        compiled += together(Wild, world, 6000, **STRESS[stress]).compiled
    assert compiled > 300


def test_a_page_is_accessed_once_it_is_read_and_not_before():
    # A region that reads and then writes asks for the page as one to write. This world has one in which neither A nor D
    # is set, and its entry lies in itself, where it is compared.
    world = World(2642408283, "supervisor", 1, fenced=True)
    assert together(Wild, world, 6000, **STRESS["regions evicted"]).compiled
