"""Each barrier's protocol in every order of its steps: nothing reachable is ever unmarked; broken ones are caught."""

import pytest
from support.barrier_model import FAULTS, Model, deep_start, starts


@pytest.mark.parametrize("barrier", FAULTS)
def test_nothing_is_lost_in_any_order(barrier):
    visited = 0
    for start in starts():
        states, lost = Model(barrier).explore(start)
        assert lost is None
        visited += states
    assert visited > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("barrier", FAULTS)
def test_nothing_is_lost_in_longer_histories(barrier):
    states, lost = Model(barrier).explore(deep_start())
    assert lost is None and states > 100_000


@pytest.mark.parametrize(("barrier", "fault"), [(barrier, fault) for barrier in FAULTS for fault in FAULTS[barrier]])
def test_a_broken_barrier_is_caught(barrier, fault):
    """Of them, "black at once" is a mistake that this heap had: a mutator without a barrier fills a black object."""
    assert any(Model(barrier, fault).explore(start)[1] for start in (*starts(), deep_start())), "nothing was lost"
