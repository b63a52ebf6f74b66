"""How many random cases a run of the differential tests makes.

``VMCORE_DIFF_CASES`` is the number of cases for each instruction (default 12); everything else grows along with it.
``VMCORE_DIFF_SEED`` changes which they are.
"""

from __future__ import annotations

import os
from random import Random

_DEFAULT = 12
CASES = max(1, int(os.environ.get("VMCORE_DIFF_CASES", _DEFAULT)))
SEED = os.environ.get("VMCORE_DIFF_SEED", "0")


def scaled(count: int) -> int:
    """Return `count`, in proportion to the number of cases asked for."""
    return max(1, count * CASES // _DEFAULT)


def rng(name: str) -> Random:
    """Return the source of chance for a test of that name: the same on every run with the same seed."""
    return Random(f"{SEED} {name}")
