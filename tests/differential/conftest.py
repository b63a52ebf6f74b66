"""The harts that the tests of this folder share, and which files need an oracle that may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from support import spike_batch
from support.lockstep import VmcoreHart
from support.reference import Reference

# An oracle that is not installed is not asked: Unicorn has no build for the free-threaded Pythons, Spike none for
# the younger ones and other processors. The reference is always there, and knows every row.
collect_ignore = []
if find_spec("unicorn") is None:
    collect_ignore += ["test_fp.py", "test_unicorn.py"]
if not spike_batch.available():
    collect_ignore += ["test_spike.py"]


@pytest.fixture(scope="module")
def hart() -> Iterator[VmcoreHart]:
    """vmcore's hart, with everything on."""
    one = VmcoreHart()
    yield one
    one.close()


@pytest.fixture(scope="module")
def reference() -> Reference:
    """The instructions' definitions in Python."""
    return Reference()
