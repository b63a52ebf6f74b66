"""The same machine twice does the same: every byte of the console, every instruction, every nanosecond."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vmcore import Machine
from vmcore._fast.jit import l3
from vmcore.guests import image_path
from vmcore.machine.stop import StopReason

PROMPT = "vmcore> "


def story(harts: int, seed: int, code_cache: str | None = None) -> tuple[bytes, int, list[int], str, float]:
    """Boot the bundled guest, work with it, switch it off: all that can be observed of that."""
    said = bytearray()
    with Machine(kernel=image_path(), ram="64M", harts=harts, append="console=ttyS0", seed=seed,
                 code_cache=code_cache) as vm:  # fmt: skip
        vm.console.on_output(said.extend)
        vm.console.expect(PROMPT, timeout=20)
        for command in ("ps", "primes 2000", "fault"):
            vm.console.send(command)
            vm.console.expect("\n")
            vm.console.expect(PROMPT)
        vm.console.send("poweroff")
        stop = vm.run(timeout=20)
        assert (stop.reason, stop.code) == (StopReason.POWEROFF, 0)
        memory = hashlib.sha256(vm.phys[0x8000_0000 : 0x8000_0000 + (64 << 20)]).hexdigest()
        return bytes(said), stop.icount, [vm.core.icount(i) for i in range(harts)], memory, vm.now


@pytest.mark.parametrize("harts", [1, 4])
def test_the_same_run_twice(harts: int) -> None:
    first = story(harts, 7)
    assert len(first[0]) > 200
    assert story(harts, 7) == first


@pytest.mark.parametrize("harts", [1, 2])
def test_the_code_cache_makes_no_difference(harts: int, tmp_path: Path) -> None:
    """Without it, with an empty one, with one that another machine of the process and one that a file has filled."""
    folder = str(tmp_path / "code")
    expected = story(harts, 7, "off")
    assert [story(harts, 7, folder) for _ in range(2)] == [expected, expected]
    l3.close_stores()
    pages = l3.open_store(folder).figures()
    assert pages.disk_pages > 0
    assert story(harts, 7, folder) == expected
    assert l3.open_store(folder).figures().hits > 0
    l3.close_stores()


@pytest.mark.parametrize("pieces", [(333, 100_000, 99_667), (1, 199_999), (1000,) * 200])
def test_pieces_make_no_difference(pieces: tuple[int, ...]) -> None:
    """Where a run is cut by its budget, nothing that the guest sees changes."""
    cut, whole = (state_after(each) for each in (pieces, (sum(pieces),)))
    assert cut == whole


def state_after(pieces: tuple[int, ...]) -> tuple[object, ...]:
    with Machine(kernel=image_path(), ram="64M", harts=2, append="console=ttyS0") as vm:
        for piece in pieces:
            stop = vm.run(max_insns=piece)
            assert stop.reason == StopReason.BUDGET
        harts = [(h.pc, [h.x[i] for i in range(32)], vm.core.icount(h.index)) for h in vm.harts]
        memory = hashlib.sha256(vm.phys[0x8000_0000 : 0x8000_0000 + (64 << 20)]).hexdigest()
        return harts, memory, vm.console.read_bytes(), vm.now
